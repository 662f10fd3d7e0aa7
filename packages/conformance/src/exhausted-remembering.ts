import { createMemoryRateLimitStore, type Policy } from '@portcullis/rate-limit'
import { expect } from 'vitest'
import type { ExhaustedBehaviour, ExhaustedContext } from './exhausted-subject.ts'

const second: Policy = { name: 'second', quota: 3, window: 1 }

/** By every algorithm, so tight that all of them refuse now and then. */
const LIMITS: readonly (readonly Policy[])[] = [
  [second, { name: 'minute', quota: 20, window: 10 }],
  [{ name: 'strict', algorithm: 'strict', quota: 4, window: 1 }],
  [{ name: 'fixed', algorithm: 'fixed', quota: 4, window: 1 }, second],
  [{ name: 'sliding', algorithm: 'sliding', quota: 5, window: 1 }],
  [
    { name: 'hour', algorithm: 'calendar', quota: 60, period: 'hour' },
    { name: 'strict', algorithm: 'strict', quota: 9, window: 3 },
  ],
]

/** What is answered without a call, and for how long. */
export const remembering: readonly ExhaustedBehaviour[] = [
  {
    title: 'a key that was refused is refused without a call until the very millisecond in which it would pass',
    async check({ advance, ask, limiter, now }) {
      for (const policy of [{ ...second, quota: 1 }, ...LIMITS.slice(1).flatMap((policies) => policies.slice(0, 1))]) {
        const policies = limiter(policy)
        const { burst = 0 } = policies[0] ?? {}
        await ask('k', policies, burst)
        const refused = await ask('k', policies)
        const retryAt = refused.verdict.results[0]?.retryAt ?? 0
        expect([refused.known, refused.verdict.allowed], policy.name).toEqual([false, false])
        for (const left of [retryAt - now(), 2, 1]) {
          await advance(retryAt - left - now())
          expect(await ask('k', policies), policy.name).toMatchObject({ known: true, verdict: { allowed: false, at: now() } })
        }
        await advance(1)
        expect(await ask('k', policies), policy.name).toMatchObject({ known: false, verdict: { allowed: true } })
      }
    },
  },
  {
    title: 'of 1,000 checks at once of a key that was refused none is a call, and other keys go through',
    async check({ ask, consume, limiter, trips }) {
      const policies = limiter({ name: 'p', quota: 5, window: 3600 })
      await ask('k', policies, 5)
      await ask('k', policies)
      const before = trips()
      const verdicts = await Promise.all(Array.from({ length: 1000 }, () => consume(['k'], policies)))
      expect([verdicts.filter(({ allowed }) => allowed).length, trips() - before]).toEqual([0, 0])
      expect(await ask('other', policies)).toMatchObject({ known: false, verdict: { allowed: true } })
    },
  },
  {
    title:
      'any sequence of checks and adjusts, by every algorithm, lets pass what the memory store lets pass, and refuses what it refuses',
    async check(context) {
      let known = 0
      for (const [n, policies] of LIMITS.entries()) known += await compare(context, policies, 400, n + 1)
      expect(known).toBeGreaterThan(100)
    },
  },
  {
    title:
      'what another process gives back is seen when maxAge has passed, and not a millisecond later; what it charges harms nobody',
    async check({ advance, another, bare, limiter }) {
      const policies = limiter({ name: 'p', quota: 2, window: 3600 })
      const [own, other] = [another(500), another(500)]
      const passes = async (): Promise<boolean> => (await own.consume(['k'], policies, 1)).allowed
      expect([await passes(), await passes(), await passes()]).toEqual([true, true, false])
      await other.adjust(['k'], policies, -1)
      await advance(499)
      expect(await passes()).toBe(false)
      await advance(1)
      expect(await passes()).toBe(true)
      // Another is charged what came back: of that nobody is told, and nobody need be.
      await bare.adjust(['k'], policies, 1)
      expect(await passes()).toBe(false)
    },
  },
]

/** The same steps on both, by numbers that are the same each time. @returns how many of them were answered from memory */
async function compare(context: ExhaustedContext, wanted: readonly Policy[], steps: number, seed: number): Promise<number> {
  const { advance, ask, limiter, now, store } = context
  const policies = limiter(...wanted)
  const model = createMemoryRateLimitStore({ clock: { now } })
  let [state, known] = [seed, 0]
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
  for (let n = 0; n < steps; n++) {
    const key = `k${random(3)}`
    const keys = policies.map(() => key)
    if (random(4) === 0) await advance(random(400))
    if (random(12) === 0) {
      const units = random(7) - 4
      await store.adjust(keys, policies, units)
      model.adjust(keys, policies, units)
      continue
    }
    const cost = random(12) === 0 ? 0 : 1 + random(2)
    const answer = await ask(key, policies, cost)
    const expected = model.consume(keys, policies, cost)
    expect(answer.verdict.allowed, `step ${n} of ${JSON.stringify(wanted)}`).toBe(expected.allowed)
    expect(answer.verdict.at).toBe(now())
    if (!answer.known) {
      expect(answer.verdict).toEqual(expected)
      continue
    }
    known += 1
    // Whoever waits as he is told must pass then: the time of what refuses is as the store would tell it.
    for (const [i, result] of answer.verdict.results.entries()) {
      if (!result.allowed) expect(result.retryAt, `step ${n} of ${JSON.stringify(wanted)}`).toBe(expected.results[i]?.retryAt)
    }
  }
  return known
}
