import { createPasswordPolicy } from '@portcullis/password'
import { createAccountTokens, createPasswordReset, type ResetDelivery } from '@portcullis/password/account-tokens'
import { expect } from 'vitest'
import { CALLERS, expectOneWinner, type OneTimeBehaviour } from './one-time-subject.ts'

/** Does not change: the token alone decides. */
const state = 'as it is'
const stateOf = async (): Promise<string> => state
const kind = { purpose: 'reset', lifetime: 900, maxLive: 3 }

/** Tokens that are sent to an account's owner. */
export const tokens: readonly OneTimeBehaviour[] = [
  {
    title: `of ${CALLERS} uses of one token at once, one is accepted (ASVS 6.4.1)`,
    async check({ store, clock, account, atOnce }) {
      const issued = await createAccountTokens({ ...kind, store, clock }).issue(account, state)
      if (issued === undefined) throw new TypeError('no token was made')
      const { token } = issued
      expectOneWinner(await atOnce((on) => createAccountTokens({ ...kind, store: on, clock }).redeem(token, stateOf)))
    },
  },
  {
    title: `of ${CALLERS} requests at once come as many tokens as an account may have, and each is good`,
    async check({ store, clock, account, atOnce }) {
      const issued = await atOnce((on) => createAccountTokens({ ...kind, store: on, clock }).issue(account, state))
      const made = issued.filter((token) => token !== undefined)
      expect(made).toHaveLength(kind.maxLive)
      const own = createAccountTokens({ ...kind, store, clock })
      for (const { token } of made) expect(await own.redeem(token, stateOf)).toMatchObject({ ok: true, account })
    },
  },
  {
    title: 'of 50 resets with one token at once, each to another password, one is stored, and sessions end once',
    async check({ store, clock, account, atOnce }) {
      const saved: string[] = []
      const ended: string[] = []
      const delivered: ResetDelivery[] = []
      const known = { account, state, secondFactor: false }
      const options = {
        clock,
        policy: createPasswordPolicy({ blocklist: [] }),
        passwords: { hash: async (password: string) => `hash of ${password}` },
        accounts: {
          byIdentifier: async () => known,
          byAccount: async () => known,
          async save(_: string, next: string) {
            saved.push(next)
            return true
          },
        },
        deliver: async (delivery: ResetDelivery) => void delivered.push(delivery),
        endSessions: async (whose: string) => void ended.push(whose),
      }
      await createPasswordReset({ ...options, store }).request(`${account}@acme.test`)
      await expect.poll(() => delivered.length, { timeout: 10_000 }).toBe(1)
      const [{ token } = { token: '' }] = delivered
      const password = (n: number): string => `grotesque tuba gravel ${n}`
      const results = await atOnce((on, n) => createPasswordReset({ ...options, store: on }).redeem(token, password(n)), 50)
      expectOneWinner(results)
      expect(saved).toEqual([`hash of ${password(results.findIndex(({ ok }) => ok))}`])
      expect(ended).toEqual([account])
    },
  },
]
