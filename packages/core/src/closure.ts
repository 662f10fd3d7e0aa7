import { type Described, type Engine, inspect } from './inspector.ts'

type Variables = Readonly<Record<string, unknown>>

const known = new WeakMap<object, Map<string, Variables>>()

/**
 * Variables that a function closes over, by name; the innermost wins. For an adapter, whose framework keeps a mounted application in
 * a closure and nowhere else. Empty where the engine does not say: what can't be looked into must then count as opaque.
 */
export function closureOf(subject: unknown, names: readonly string[]): Variables {
  if (typeof subject !== 'function') return {}
  const before = known.get(subject) ?? new Map<string, Variables>()
  known.set(subject, before)
  const key = names.join(' ')
  const found = before.get(key) ?? inspect([subject], false, (engine) => read(engine, names)) ?? {}
  before.set(key, found)
  return found
}

function read(engine: Engine, names: readonly string[]): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const scope of scopesOf(engine)) {
    for (const { name, value } of engine.propertiesOf(scope).own) {
      if (value === undefined || !names.includes(name) || Object.hasOwn(values, name)) continue
      values[name] = value.objectId === undefined ? value.value : engine.valueOf(value.objectId)
    }
  }
  return values
}

/** The scopes of functions around the first subject, from the inside out. */
function scopesOf(engine: Engine): readonly string[] {
  const handle = engine.handleOf(0)
  const scopes = handle && engine.propertiesOf(handle).internal.find(({ name }) => name === '[[Scopes]]')?.value?.objectId
  return scopes === undefined ? [] : engine.propertiesOf(scopes).own.flatMap(ofFunction)
}

function ofFunction({ value }: Described): readonly string[] {
  return value?.objectId !== undefined && /^(?:Closure|Block)\b/.test(value.description ?? '') ? [value.objectId] : []
}
