import {
  createMemoryRateLimitStore,
  type MemoryRateLimitStore,
  type Policy,
  type RateLimitStore,
  type RateLimitVerdict,
  type ScopedPolicy,
} from '@portcullis/rate-limit'
import fc from 'fast-check'
import { expect } from 'vitest'
import type { RateLimitContext } from './rate-limit-subject.ts'

/** Numbers that go into a millisecond, and such that do not; short and long; smooth and with a burst beyond the quota. */
const POLICIES: readonly Policy[] = [
  { name: 'even', quota: 10, window: 1 },
  { name: 'sevenths', quota: 7, window: 1 },
  { name: 'smooth', quota: 13, window: 0.7, burst: 2 },
  { name: 'primes', quota: 997, window: 7.919, burst: 30 },
  { name: 'wide', quota: 3, window: 0.05, burst: 12 },
  { name: 'long', quota: 5, window: 86_400 },
  { name: 'ms', quota: 1, window: 0.001, burst: 3 },
  { name: 'strict', algorithm: 'strict', quota: 9, window: 1.7 },
  { name: 'strict-long', algorithm: 'strict', quota: 30, window: 86_400 },
  { name: 'fixed', algorithm: 'fixed', quota: 11, window: 0.9 },
  { name: 'sliding', algorithm: 'sliding', quota: 13, window: 1.1 },
  { name: 'sliding-ms', algorithm: 'sliding', quota: 5, window: 0.003 },
  { name: 'hour', algorithm: 'calendar', quota: 17, period: 'hour', timeZone: 'Asia/Kathmandu' },
  { name: 'day', algorithm: 'calendar', quota: 23, period: 'day', timeZone: 'Europe/Berlin' },
]

interface Model {
  readonly memory: MemoryRateLimitStore
  /** What both said of the same check. */
  readonly verdicts: { readonly theirs: RateLimitVerdict; readonly ours: RateLimitVerdict }[]
}

interface Real {
  readonly context: RateLimitContext
  readonly store: RateLimitStore
  /** Put before keys: many runs share the scopes. */
  readonly prefix: string
}

type Command = fc.AsyncCommand<Model, Real>

/**
 * Any sequence of checks and adjusts, with the clock moved between them, answers as the memory store does on the same clock: verdicts
 * are equal field by field.
 * @param numRuns how many sequences
 */
export async function checkAgainstMemory(context: RateLimitContext, numRuns: number): Promise<void> {
  const policies = context.limiter(...POLICIES)
  let run = 0
  await fc.assert(
    // Without 'max' fast-check keeps to about ten commands: too few for a bucket to run dry, come back and run dry again.
    fc.asyncProperty(fc.commands(commands(policies), { maxCommands: 40, size: 'max' }), async (sequence) => {
      run += 1
      await fc.asyncModelRun(
        () => ({
          model: { memory: createMemoryRateLimitStore({ clock: { now: () => context.now() } }), verdicts: [] },
          real: { context, store: context.store, prefix: `${run}:` },
        }),
        sequence,
      )
    }),
    { numRuns },
  )
}

/** Some policies, and a key for each. */
interface Buckets {
  readonly policies: readonly ScopedPolicy[]
  readonly keys: readonly string[]
}

function commands(policies: readonly ScopedPolicy[]): fc.Arbitrary<Command>[] {
  const buckets = fc.shuffledSubarray([...policies], { minLength: 1, maxLength: 3 }).chain((some) =>
    fc.record({
      policies: fc.constant(some),
      // One key in three sequences of two checks is another: buckets shall meet.
      keys: fc.array(fc.constantFrom('a', 'a', 'b'), { minLength: some.length, maxLength: some.length }),
    }),
  )
  const cost = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 4 }) }, fc.integer({ min: 5, max: 40 }))
  const move = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 21, max: 2000 }), fc.constant(86_400_000))
  return [
    fc.tuple(buckets, cost).map(([at, units]) => consume(at, units)),
    fc.tuple(buckets, cost).map(([at, units]) => consume(at, units)),
    fc.tuple(buckets, fc.integer({ min: -12, max: 12 })).map(([at, units]) => adjust(at, units)),
    fc.tuple(fc.nat(), fc.integer({ min: -6, max: 6 })).map(([which, units]) => settle(which, units)),
    fc.nat().map(waitFor),
    move.map(advance),
  ]
}

const made = new WeakMap<RateLimitVerdict, Buckets>()

function consume({ policies, keys }: Buckets, cost: number): Command {
  return command(`consume(${describe({ policies, keys })}, ${cost})`, async (model, { store, prefix }) => {
    const own = keys.map((key) => prefix + key)
    const theirs = await store.consume(own, policies, cost)
    const ours = model.memory.consume(own, policies, cost)
    expect(theirs).toEqual(ours)
    made.set(ours, { policies, keys: own })
    model.verdicts.push({ theirs, ours })
  })
}

function adjust({ policies, keys }: Buckets, units: number): Command {
  return command(`adjust(${describe({ policies, keys })}, ${units})`, async (model, { store, prefix }) => {
    const own = keys.map((key) => prefix + key)
    await store.adjust(own, policies, units)
    model.memory.adjust(own, policies, units)
  })
}

/** Adjusts what an earlier check reserved. */
function settle(which: number, units: number): Command {
  return command(`settle(${which}, ${units})`, async (model, { store }) => {
    const verdict = model.verdicts[which % Math.max(model.verdicts.length, 1)]
    const buckets = verdict && made.get(verdict.ours)
    if (verdict === undefined || buckets === undefined) return
    await store.adjust(buckets.keys, buckets.policies, units, verdict.theirs)
    model.memory.adjust(buckets.keys, buckets.policies, units, verdict.ours)
  })
}

/** Until what an earlier check was told: where being off by one shows. */
function waitFor(which: number): Command {
  return command(`waitFor(${which})`, async (model, { context }) => {
    const results = model.verdicts[which % Math.max(model.verdicts.length, 1)]?.ours.results ?? []
    const result = results[which % Math.max(results.length, 1)]
    if (result === undefined) return
    const until = [result.retryAt - 1, result.retryAt, result.resetAt - 1, result.resetAt][which % 4] ?? 0
    const left = until - context.now()
    if (left > 0 && Number.isFinite(left)) await context.advance(left)
  })
}

function advance(milliseconds: number): Command {
  return command(`advance(${milliseconds})`, async (_, { context }) => {
    await context.advance(milliseconds)
  })
}

function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name }
}

function describe({ policies, keys }: Buckets): string {
  return policies.map(({ name }, i) => `${name}/${keys[i]}`).join('+')
}
