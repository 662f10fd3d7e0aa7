import type { RateLimitResult, RateLimitVerdict, ScopedPolicy } from '@portcullis/rate-limit'
import { type GcraMeter, lets } from '@portcullis/rate-limit/store'
import { describe, expect, it } from 'vitest'
import { adjusting } from '../src/rate-limit-adjusting.ts'
import { charging } from '../src/rate-limit-charging.ts'
import { keys } from '../src/rate-limit-keys.ts'
import { checkAgainstMemory } from '../src/rate-limit-model.ts'
import { races } from '../src/rate-limit-races.ts'
import { openRateLimitContext, type RateLimitStoreUnderTest } from '../src/rate-limit-subject.ts'
import { backwards, time } from '../src/rate-limit-time.ts'
import { windows, windowsSetBack } from '../src/rate-limit-windows.ts'
import { manualClock } from '../src/store.ts'
import {
  type Defect,
  type GcraLook,
  isLog,
  type Kept,
  type Kind,
  KitStore,
  type Look,
  nothingKept,
  overriding,
} from './kit-rate-limit-store.ts'
import { LOG_DEFECTS } from './rate-limit-log-defects.ts'

/** Longer than any row takes here: it waits for ever. */
const PATIENCE = 3000

/** Each is a mistake that a backend could make, and a row of the suite that finds it. */
const DEFECTS: readonly Defect[] = [
  [
    'it checks, then charges',
    'of 1,000 checks at once against a limit of 10, exactly 10 pass',
    class extends KitStore {
      override between = () => new Promise<void>((resolve) => setImmediate(resolve))
    },
  ],
  [
    'only the first charge of a key is a race',
    'a first charge is a race like any other',
    class extends KitStore {
      override between = (looks: readonly Look[]) =>
        looks.some(({ bucket }) => !this.kept.arrivals.has(bucket))
          ? new Promise<void>((resolve) => setImmediate(resolve))
          : undefined
    },
  ],
  ['a refusal is charged', 'a refusal moves nothing', overriding({ charge: (_look, cost) => cost })],
  [
    'what another policy refuses is charged',
    'what one policy refuses is charged to none',
    overriding({ charge: (look, cost, allowed, now) => (allowed || (!isLog(look) && lets(look, now, cost)) ? cost : 0) }),
  ],
  ['the cost is ignored', 'a cost is charged whole', overriding({ charge: (_look, _cost, allowed) => (allowed ? 1 : 0) })],
  ['asking is charged', 'a cost of 0 asks', overriding({ charge: (_look, cost, allowed) => (allowed ? Math.max(1, cost) : 0) })],
  ['all keys are in one bucket', 'keys are data', overriding({ bucket: (scope) => scope })],
  ['the scope is ignored', 'scopes are apart', overriding({ bucket: (_scope, key) => key })],
  ['scope and key run together', 'where the name ends', overriding({ bucket: (scope, key) => `${scope}:${key}` })],
  ['case is folded', 'keys are data', overriding({ bucket: (scope, key) => `${scope}|${key.toLowerCase()}` })],
  ['keys are normalized', 'keys are data', overriding({ bucket: (scope, key) => `${scope}|${key.normalize('NFKC')}` })],
  ['keys are trimmed', 'keys are data', overriding({ bucket: (scope, key) => `${scope}|${key.trim()}` })],
  ['keys end at a NUL', 'keys are data', overriding({ bucket: (scope, key) => `${scope}|${key.split('\0')[0]}` })],
  ['keys go through UTF-8', 'keys are data', overriding({ bucket: (scope, key) => `${scope}|${Buffer.from(key)}` })],
  ['keys are cut', 'keys are data', overriding({ bucket: (scope, key) => `${scope}|${key.slice(0, 64)}` })],
  [
    'what is in braces is the key',
    'keys are data',
    overriding({ bucket: (scope, key) => `${scope}|${/\{(.+?)\}/.exec(key)?.[1] ?? key}` }),
  ],
  [
    'time is a floating-point number',
    'seven a second: 10,000 charges',
    class extends KitStore {
      override look(keys: readonly string[], policies: readonly ScopedPolicy[], now: number): Look[] {
        return super.look(keys, policies, now).map((look, i) => {
          if (isLog(look)) return look
          const { quota, window, burst } = policies[i]!
          const increment = (window / quota) * 1000
          const meter = { kind: 'gcra', scale: 1, increment, tolerance: increment * burst } as const
          return { ...look, meter, lead: this.lead(look.bucket, meter, now) }
        })
      }
    },
  ],
  [
    'time is a whole number of milliseconds',
    'seven a second, paced',
    overriding({
      write({ bucket, meter: { scale } }, lead, now) {
        this.kept.arrivals.set(bucket, [now + Math.ceil(lead / scale), 0])
      },
    }),
  ],
  [
    'a clock that goes back is believed',
    'time that goes backwards',
    class extends KitStore {
      #last = 0
      #moved = 0
      // The time that has passed, whichever way.
      override now(): number {
        const now = super.now()
        if (this.#last !== 0) this.#moved += Math.abs(now - this.#last)
        else this.#moved = now
        this.#last = now
        return this.#moved
      }
    },
  ],
  [
    'a clock that is set back starts anew',
    'time that goes backwards',
    overriding({
      lead(bucket, { scale, tolerance }, now) {
        const [ms, ticks] = this.kept.arrivals.get(bucket) ?? [now, 0]
        const lead = (ms - now) * scale + ticks
        // Nobody can be further ahead than a burst: it must be rubbish.
        return lead > tolerance ? 0 : Math.max(0, lead)
      },
    }),
  ],
  ['what time gave back is given back again', 'is not given back a second time', overriding({ isBack: () => false })],
  [
    'whether time was faster is asked of the first policy alone',
    'of several policies each is asked by itself',
    overriding({ isBack: (reserved, _i, now) => (reserved?.results[0]?.resetAt ?? now + 1) <= now }),
  ],
  [
    'more is given back than was taken',
    'never holds more than its burst',
    class extends KitStore {
      override settled = ({ lead, meter: { increment } }: GcraLook, units: number) => lead + units * increment
      override lead(bucket: string, { scale }: GcraMeter, now: number): number {
        const [ms, ticks] = this.kept.arrivals.get(bucket) ?? [now, 0]
        return (ms - now) * scale + ticks
      }
    },
  ],
  [
    'nothing is charged beyond the limit',
    'what was used beyond the reservation is charged',
    overriding({
      settled: ({ lead, meter: { increment, tolerance } }, units) => Math.min(tolerance, Math.max(0, lead + units * increment)),
    }),
  ],
  [
    'a refund goes to whoever was charged last',
    'of 200 refunds at once',
    class extends KitStore {
      override async adjust(...[keys, policies, units]: Parameters<KitStore['adjust']>): Promise<void> {
        const now = this.now()
        const looks = this.look(keys, policies, now)
        await new Promise<void>((resolve) => setImmediate(resolve))
        for (const look of looks) this.settle(look, units, now, undefined)
      }
    },
  ],
  ['retryAt is a millisecond early', 'retryAt is right', results(({ retryAt }) => ({ retryAt: retryAt - 1 }))],
  ['retryAt is a millisecond late', 'retryAt is right', results(({ retryAt }) => ({ retryAt: retryAt + 1 }))],
  ['resetAt is a millisecond early', 'at resetAt', results(({ resetAt }) => ({ resetAt: resetAt - 1 }))],
  [
    'a cost beyond the burst has a date',
    'a cost beyond the burst',
    results(({ retryAt }, at) => ({ retryAt: Math.min(retryAt, at + 1000) })),
  ],
  ['remaining is never 0', 'a bucket that is new', results(({ remaining }) => ({ remaining: Math.max(1, remaining) }))],
  ['each policy says what all say together', 'it is all or nothing whichever', results((_result, _at, allowed) => ({ allowed }))],
  [
    'it counts in fixed windows',
    'at no pace',
    class extends KitStore {
      override lead(bucket: string, numbers: GcraMeter, now: number): number {
        const { scale, tolerance } = numbers
        const window = tolerance / scale
        const [ms] = this.kept.arrivals.get(bucket) ?? [now, 0]
        return Math.floor(ms / window) === Math.floor(now / window) ? super.lead(bucket, numbers, now) : 0
      }
    },
  ],
  [
    'a bucket is forgotten after one window, whatever its burst',
    'a burst of many windows',
    class extends KitStore {
      readonly #written = new Map<string, number>()
      override write(look: GcraLook, lead: number, now: number): void {
        super.write(look, lead, now)
        this.#written.set(look.bucket, now + look.policy.window * 1000)
      }
      override lead(bucket: string, numbers: GcraMeter, now: number): number {
        return (this.#written.get(bucket) ?? 0) <= now ? 0 : super.lead(bucket, numbers, now)
      }
    },
  ],
  ['other numbers are not noticed', 'declared with other numbers', overriding({ declare() {} })],
  ['another algorithm is no other number', 'declared by another algorithm', overriding({ declare() {} })],
  ['any cost will do', 'a cost that is no whole number', overriding({ checkUnits() {} })],
  ['a missing key is a key', 'a policy without a key', overriding({ key: (given, i) => String(given[i]) })],
  [
    'buckets are locked in the order in which they are asked for',
    'in opposite orders',
    class extends KitStore {
      readonly #locks = new Map<string, Promise<void>>()
      override async consume(...[given, policies, cost]: Parameters<KitStore['consume']>): Promise<RateLimitVerdict> {
        const unlock: (() => void)[] = []
        for (const [i, policy] of policies.entries()) {
          const bucket = this.bucket(policy.scope, this.key(given, i))
          const before = this.#locks.get(bucket)
          this.#locks.set(
            bucket,
            Promise.resolve(before).then(() => new Promise<void>((resolve) => unlock.push(resolve))),
          )
          await before
          await new Promise<void>((resolve) => setImmediate(resolve))
        }
        const verdict = await super.consume(given, policies, cost)
        for (const one of unlock) one()
        return verdict
      }
    },
  ],
]

describe('the suite finds a store of rate limits in which', () => {
  it.each([...DEFECTS, ...LOG_DEFECTS])('%s', async (_mistake, found, Store) => {
    expect((await failing(Store)).join('\n')).toContain(found)
  })

  it('each connection counts for itself', async () => {
    const failed = await failing(KitStore, nothingKept)
    expect(failed.join('\n')).toContain('exactly 10 pass')
    expect(failed.join('\n')).toContain('of 200 guesses at one account')
  })

  it('a fraction of a millisecond is lost, by the model alone', async () => {
    const Store = overriding({
      write({ bucket, meter: { scale } }, lead, now) {
        this.kept.arrivals.set(bucket, [now + Math.floor(lead / scale), 0])
      },
    })
    await expect(checkAgainstMemory(openRateLimitContext(subject(Store)), 200)).rejects.toThrow(/Property failed/)
  })

  it('nothing is wrong: it says nothing', async () => {
    expect(await failing(KitStore)).toEqual([])
    await checkAgainstMemory(openRateLimitContext(subject(KitStore)), 200)
  })
})

/** Runs every row. @returns the titles of those that fail */
async function failing(Store: Kind, kept?: () => Kept): Promise<string[]> {
  const failed: string[] = []
  for (const { title, check } of [
    ...charging,
    ...time,
    ...windows,
    ...backwards,
    ...windowsSetBack,
    ...adjusting,
    ...keys,
    ...races,
  ]) {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('it waits for ever')), PATIENCE)
    })
    await Promise.race([check(openRateLimitContext(subject(Store, kept))), late]).catch(() => failed.push(title))
    clearTimeout(timer)
  }
  return failed
}

function subject(Store: Kind, kept?: () => Kept): RateLimitStoreUnderTest {
  const clock = manualClock()
  const store = new Store(clock)
  const peers = [1, 2].map(() => new Store(clock, kept?.() ?? store.kept))
  return { store, peers, ...clock, close: async () => {} }
}

/** A store whose verdicts say something else. */
function results(change: (result: RateLimitResult, at: number, allowed: boolean) => Partial<RateLimitResult>): Kind {
  return class extends KitStore {
    override answer(looks: Parameters<KitStore['answer']>[0], now: number, cost: number): RateLimitVerdict {
      const verdict = super.answer(looks, now, cost)
      return { ...verdict, results: verdict.results.map((result) => ({ ...result, ...change(result, now, verdict.allowed) })) }
    }
  }
}
