import { fileURLToPath } from 'node:url'
import { type Engine, inspect } from './inspector.ts'

/**
 * Where functions are defined, as `file:line`, by asking the engine; of a bound function, what it is bound to. Meant for start-up
 * errors: it is slow. An entry is `undefined` where the engine does not say, and all are when a debugger can't be attached.
 */
export function locate(functions: readonly unknown[]): readonly (string | undefined)[] {
  const found = inspect(functions, true, (engine) => functions.map((_, at) => locateOne(engine, engine.handleOf(at))))
  return found ?? functions.map(() => undefined)
}

function locateOne(engine: Engine, handle: string | undefined): string | undefined {
  if (handle === undefined) return undefined
  const { internal } = engine.propertiesOf(handle)
  const target = internal.find(({ name }) => name === '[[TargetFunction]]')?.value?.objectId
  if (target !== undefined) return locateOne(engine, target)
  const location = internal.find(({ name }) => name === '[[FunctionLocation]]')?.value?.value
  const url = location && engine.scripts.get(location.scriptId)
  if (!location || !url) return undefined
  return `${url.startsWith('file:') ? fileURLToPath(url) : url}:${location.lineNumber + 1}`
}
