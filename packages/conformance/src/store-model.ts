import type { Collection, Json, Page, Stored, WriteOptions } from '@portcullis/core'
import fc from 'fast-check'
import { expect } from 'vitest'
import { collect, type StoreContext } from './store-subject.ts'

/** What a store should hold: a map, and the time. */
interface Model {
  readonly entries: Map<string, { value: Json; expiresAt: number | undefined; index: Record<string, string> }>
  /** Every version that was ever seen under an id. */
  readonly versions: Map<string, number[]>
  now: number
}

interface Real {
  readonly context: StoreContext
  /** Put before ids and keys: many runs share one collection. */
  readonly prefix: string
}

type Command = fc.AsyncCommand<Model, Real>

const IDS = ['a', 'b', 'B', 'a ', 'é', '\uFF5E', '\u{1F3F0}', "'--"]
const KEYS = ['x', 'X', '%']
const INDEXES = ['user', 'tenant']

/**
 * Any sequence of verbs, with the clock moved between them, answers as a map would that forgets what has expired.
 * @param numRuns how many sequences
 */
export async function checkAgainstModel(context: StoreContext, numRuns: number): Promise<void> {
  let run = 0
  await fc.assert(
    // Without 'max' fast-check keeps to about ten commands: too few for an id to be written, removed and written again.
    fc.asyncProperty(fc.commands(commands(), { maxCommands: 60, size: 'max' }), async (sequence) => {
      run += 1
      await fc.asyncModelRun(
        () => ({
          model: { entries: new Map(), versions: new Map(), now: context.now() },
          real: { context, prefix: `${run}:` },
        }),
        sequence,
      )
    }),
    { numRuns },
  )
}

function commands(): fc.Arbitrary<Command>[] {
  const id = fc.constantFrom(...IDS)
  const key = fc.constantFrom(...KEYS)
  const index = fc.constantFrom(...INDEXES)
  const value = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>
  const write = fc.record({
    expiresIn: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
    index: fc.dictionary(index, key, { noNullPrototype: true }),
  })
  const page = fc.record(
    { after: id, limit: fc.integer({ min: 0, max: 5 }), order: fc.constantFrom('ascending' as const, 'descending' as const) },
    { requiredKeys: [] },
  )
  return [
    id.map(get),
    fc.tuple(id, value, write).map(([at, what, how]) => create(at, what, how)),
    fc.tuple(id, value, write).map(([at, what, how]) => replace(at, what, how)),
    fc.tuple(id, value, fc.nat()).map(([at, what, which]) => replaceStale(at, what, which)),
    id.map(take),
    id.map(remove),
    fc.tuple(index, key, page).map(([by, under, some]) => find(by, under, some)),
    fc.integer({ min: 1, max: 12 }).map(advance),
  ]
}

interface Write {
  readonly expiresIn: number | undefined
  readonly index: Record<string, string>
}

function get(id: string): Command {
  return command(`get(${id})`, async (model, real) => {
    const read = await real.context.collection.get(real.prefix + id)
    expectEntry(model, real, id, read)
    expect(read?.version).toBe(liveIn(model, id) && model.versions.get(id)?.at(-1))
  })
}

function create(id: string, value: Json, write: Write): Command {
  return command(`create(${id}, ${JSON.stringify(write)})`, async (model, real) => {
    const free = liveIn(model, id) === undefined
    const options = toOptions(real, write)
    expect(await real.context.collection.create(real.prefix + id, value, options)).toBe(free)
    if (free) await written(model, real, id, value, write)
  })
}

function replace(id: string, value: Json, write: Write): Command {
  return command(`replace(${id}, ${JSON.stringify(write)})`, async (model, real) => {
    const { collection } = real.context
    const current = liveIn(model, id) === undefined ? undefined : model.versions.get(id)?.at(-1)
    const options = toOptions(real, write)
    expect(await collection.replace(real.prefix + id, current ?? 1, value, options)).toBe(current !== undefined)
    if (current !== undefined) await written(model, real, id, value, write)
  })
}

function replaceStale(id: string, value: Json, which: number): Command {
  return command(`replaceStale(${id}, ${which})`, async (model, real) => {
    const live = liveIn(model, id) !== undefined
    const seen = model.versions.get(id) ?? []
    const stale = live ? seen.slice(0, -1) : seen
    const version = stale[which % Math.max(stale.length, 1)]
    if (version === undefined) return
    expect(await real.context.collection.replace(real.prefix + id, version, value)).toBe(false)
  })
}

function take(id: string): Command {
  return command(`take(${id})`, async (model, real) => {
    const expected = liveIn(model, id)
    expect(await real.context.collection.take(real.prefix + id)).toEqual(expected && copied(expected.value))
    model.entries.delete(id)
  })
}

function remove(id: string): Command {
  return command(`remove(${id})`, async (model, real) => {
    expect(await real.context.collection.remove(real.prefix + id)).toBe(liveIn(model, id) !== undefined)
    model.entries.delete(id)
  })
}

function find(index: string, key: string, page: Page): Command {
  return command(`find(${index}, ${key}, ${JSON.stringify(page)})`, async (model, real) => {
    const { after, limit = Number.POSITIVE_INFINITY, order = 'ascending' } = page
    const direction = order === 'ascending' ? 1 : -1
    const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b)) * direction
    const expected = IDS.filter((id) => liveIn(model, id)?.index[index] === key)
      .filter((id) => after === undefined || compare(id, after) > 0)
      .sort(compare)
      .slice(0, limit)
    const options = after === undefined ? page : { ...page, after: real.prefix + after }
    const found = await collect(real.context.collection.find(index, real.prefix + key, options))
    expect(found.map(({ id }) => id)).toEqual(expected.map((id) => real.prefix + id))
    for (const [n, id] of expected.entries()) expectEntry(model, real, id, found[n])
  })
}

function advance(milliseconds: number): Command {
  return command(`advance(${milliseconds})`, async (model, real) => {
    await real.context.advance(milliseconds)
    model.now = real.context.now()
  })
}

function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name }
}

function liveIn(
  model: Model,
  id: string,
): { value: Json; expiresAt: number | undefined; index: Record<string, string> } | undefined {
  const entry = model.entries.get(id)
  return entry?.expiresAt !== undefined && entry.expiresAt <= model.now ? undefined : entry
}

/** Writes the model, and learns the version, which must be one that this id never had. */
async function written(model: Model, real: Real, id: string, value: Json, write: Write): Promise<void> {
  const expiresAt = write.expiresIn === undefined ? undefined : model.now + write.expiresIn
  model.entries.set(id, { value, expiresAt, index: write.index })
  const read: Stored<Json> | undefined = await (real.context.collection as Collection<Json>).get(real.prefix + id)
  expectEntry(model, real, id, read)
  if (read === undefined) return
  const versions = model.versions.get(id) ?? []
  expect(versions).not.toContain(read.version)
  model.versions.set(id, [...versions, read.version])
}

function expectEntry(model: Model, real: Real, id: string, read: Stored<Json> | undefined): void {
  const expected = liveIn(model, id)
  expect(read && { id: read.id, value: read.value, expiresAt: read.expiresAt }).toEqual(
    expected && { id: real.prefix + id, value: copied(expected.value), expiresAt: expected.expiresAt },
  )
}

function toOptions(real: Real, { expiresIn, index }: Write): WriteOptions {
  const keys = Object.fromEntries(Object.entries(index).map(([name, key]) => [name, real.prefix + key]))
  return { index: keys, ...(expiresIn === undefined ? {} : { expiresAt: real.context.now() + expiresIn }) }
}

/** JSON knows no -0. */
function copied(value: Json): Json {
  return JSON.parse(JSON.stringify(value)) as Json
}
