import { byAddress, type LimitGuard, limit, type Policy } from '@portcullis/rate-limit'
import { expect } from 'vitest'
import { type ExhaustedBehaviour, type ExhaustedContext, requestFrom } from './exhausted-subject.ts'

const address = '203.0.113.7'
const key = byAddress()(requestFrom(address))
const hour: Policy = { name: 'hour', quota: 4, window: 3600 }
const minute: Policy = { name: 'minute', quota: 3, window: 60 }

/** What is done to a key through the same store. */
export const steering: readonly ExhaustedBehaviour[] = [
  {
    title: 'units that a key is rewarded with are there for its very next request, and once',
    async check(context) {
      const guard = guardOf(context, hour)
      expect(await passed(guard, 6)).toBe(4)
      expect(await silent(context, guard)).toBe(true)
      for (const units of [1, 2, 4]) {
        await guard.reward(key, units)
        expect(await passed(guard, 6)).toBe(units)
        expect(await silent(context, guard)).toBe(true)
      }
    },
  },
  {
    title: 'of requests that are under way while a key is rewarded, and those after it, as many pass as it was given',
    async check(context) {
      const guard = guardOf(context, { ...hour, quota: 20 })
      await passed(guard, 20)
      for (let round = 0; round < 20; round++) {
        const [before, , meanwhile] = await Promise.all([passed(guard, 5, true), guard.reward(key, 2), passed(guard, 5, true)])
        expect(before + meanwhile + (await passed(guard, 4))).toBe(2)
      }
    },
  },
  {
    title: 'a key that is forgiven has everything back at once, of all policies',
    async check(context) {
      const guard = guardOf(context, hour, minute)
      for (let round = 0; round < 3; round++) {
        expect(await passed(guard, 6)).toBe(3)
        expect(await silent(context, guard)).toBe(true)
        await guard.forgive(key)
      }
      expect(await passed(guard, 6)).toBe(3)
    },
  },
  {
    title:
      'a key that is blocked is refused at once and for that long, also where it was known to pass sooner, and forgiven at once',
    async check(context) {
      for (const exhausted of [false, true]) {
        const guard = guardOf(context, { ...hour, window: 60 })
        if (exhausted) {
          expect(await passed(guard, 6)).toBe(4)
          expect(await silent(context, guard)).toBe(true)
        }
        await guard.block(key, 600)
        expect(await passed(guard, 3)).toBe(0)
        await context.advance(599_999)
        expect(await passed(guard, 3)).toBe(0)
        await guard.forgive(key)
        expect(await passed(guard, 6)).toBe(4)
      }
    },
  },
  {
    title: 'a block ends when it was to end, for a key that is asked all the time',
    async check(context) {
      const guard = guardOf(context, { ...hour, window: 60 })
      await guard.block(key, 600)
      for (let n = 0; n < 600; n++) {
        await context.advance(1000)
        if (n < 599) expect(await passed(guard, 1)).toBe(0)
      }
      // At most two units of the policy later.
      await context.advance(30_000)
      expect(await passed(guard, 1)).toBe(1)
    },
  },
  {
    title: 'a key that is penalized pays for it, and is told when',
    async check(context) {
      const guard = guardOf(context, minute)
      expect(await passed(guard, 6)).toBe(3)
      await guard.penalize(key, 3)
      const decision = await guard(requestFrom(address))
      const wait = decision.type === 'reply' ? decision.reply.headers?.find(([name]) => name === 'Retry-After')?.[1] : undefined
      expect(wait).toBe('80')
      await context.advance(79_999)
      expect(await passed(guard, 1)).toBe(0)
      await context.advance(1)
      expect(await passed(guard, 1)).toBe(1)
    },
  },
]

let guards = 0

/** A limit by address on the store that remembers; what fails in it fails the row. */
function guardOf({ name, store }: ExhaustedContext, ...policies: readonly Policy[]): LimitGuard {
  guards += 1
  const together = { name: `${name}-${guards}`, whenUnavailable: 'closed' } as const
  return limit({ ...together, policies, key: byAddress(), store })
}

/** How many of so many requests pass, one after the other or at once. */
async function passed(guard: LimitGuard, count: number, atOnce = false): Promise<number> {
  let through = 0
  const one = async (): Promise<void> => {
    if ((await guard(requestFrom(address))).type === 'continue') through += 1
  }
  if (atOnce) await Promise.all(Array.from({ length: count }, one))
  else for (let n = 0; n < count; n++) await one()
  return through
}

/** Whether the next request is refused without a call. */
async function silent({ trips }: ExhaustedContext, guard: LimitGuard): Promise<boolean> {
  const before = trips()
  return (await passed(guard, 1)) === 0 && trips() === before
}
