import {
  type AllowedAttempt,
  type Attempt,
  type BruteForceOptions,
  createBruteForceGuard,
  guessesExhausted,
  type Identity,
} from '@portcullis/rate-limit'
import { expect } from 'vitest'
import type { RateLimitBehaviour, RateLimitContext } from './rate-limit-subject.ts'

const account = 'ann@example.org'
const at = (n: number): string => `198.51.${n >> 8}.${n & 255}`

/** Guards against guessing, one on each connection, as the processes of a service have them. */
export const guessing: readonly RateLimitBehaviour[] = [
  {
    title: 'of 1,000 wrong guesses at once against a limit of 10, no more than 10 reach the secret',
    async check(context) {
      const attempts = await guess(context, 1000, () => ({ account, address: at(1) }))
      expect(allowed(attempts)).toHaveLength(10)
    },
  },
  {
    title: '500 addresses use up what an account has for strangers, and its owner still gets in from a device that is known',
    async check(context) {
      const attackers = await guess(context, 500, (n) => ({ account, address: at(n) }))
      expect(allowed(attackers)).toHaveLength(100)
      const owner = { account, address: '203.0.113.7', device: { id: 'laptop', account } }
      // Each time with the right secret: that costs him nothing.
      for (let n = 0; n < 20; n++) {
        const [attempt] = await guess(context, 1, () => owner)
        expect(attempt).toMatchObject({ allowed: true, knownDevice: true })
        if (attempt?.allowed === true) await attempt.settle('success')
      }
      const other = { ...owner, device: { id: 'laptop', account: 'eve@example.org' } }
      expect(await guess(context, 1, () => other)).toMatchObject([{ allowed: false }])
    },
  },
  {
    title: 'of 200 guesses at once from a device that is known, its own limit is allowed, and after it what any stranger has',
    async check(context) {
      const device = { id: 'laptop', account }
      const attempts = allowed(await guess(context, 200, () => ({ account, address: at(1), device })))
      expect(attempts.filter(({ knownDevice }) => knownDevice)).toHaveLength(10)
      expect(attempts.filter(({ knownDevice }) => !knownDevice)).toHaveLength(10)
      await Promise.all(attempts.map((attempt, n) => attempt.settle(n % 2 === 0 ? 'success' : 'failure')))
      expect(allowed(await guess(context, 200, () => ({ account, address: at(1), device })))).toHaveLength(10)
    },
  },
  {
    title:
      'of 200 failures at once at as many accounts, those beyond the budget are marked, none is refused, and it is said once',
    async check(context) {
      const said: string[] = []
      const stop = guessesExhausted.subscribe(({ data }) => {
        if (data.guard === context.name) said.push(data.limit)
      })
      const budget = { budget: [{ name: 'hourly', quota: 50, window: 3600 }] }
      const attempts = await guess(context, 200, (n) => ({ account: `user${n}`, address: at(n) }), budget)
      expect(allowed(attempts).filter(({ suspicious }) => suspicious)).toHaveLength(150)
      expect(allowed(attempts)).toHaveLength(200)
      // What a right guess gives back can be used up a second time, and is not said again.
      const [unmarked] = allowed(attempts).filter(({ suspicious }) => !suspicious)
      await unmarked?.settle('success')
      const more = await guess(context, 2, (n) => ({ account: `other${n}`, address: at(n) }), budget)
      expect(allowed(more).filter(({ suspicious }) => suspicious)).toHaveLength(1)
      stop()
      expect(said).toEqual(['budget:hourly'])
    },
  },
  {
    title: 'a budget that refuses lets no more than itself through, of 200 at once, and devices that are known besides',
    async check(context) {
      const options: BruteForceOptions = {
        whenExhausted: 'refuse',
        budget: [{ name: 'hourly', quota: 50, window: 3600 }],
        address: [{ name: 'hourly', quota: 10, window: 3600 }],
      }
      const attempts = await guess(context, 200, (n) => ({ account: `user${n}`, address: at(n) }), options)
      expect(allowed(attempts)).toHaveLength(50)
      const known = (n: number): Identity => ({
        account: `user${n}`,
        address: at(n),
        device: { id: 'laptop', account: `user${n}` },
      })
      expect(allowed(await guess(context, 200, known, options))).toHaveLength(200)
    },
  },
]

/** Attempts at once, each by the guard of the next connection. */
function guess(
  { connections, name }: RateLimitContext,
  times: number,
  who: (n: number) => Identity,
  options: BruteForceOptions = {},
): Promise<Attempt[]> {
  const guards = connections.map((store) => createBruteForceGuard({ ...options, name, store }))
  const [first] = guards
  if (first === undefined) throw new Error('a context has no connection')
  return Promise.all(Array.from({ length: times }, (_, n) => (guards[n % guards.length] ?? first).attempt(who(n))))
}

function allowed(attempts: readonly Attempt[]): AllowedAttempt[] {
  return attempts.filter((attempt): attempt is AllowedAttempt => attempt.allowed)
}
