import type { Store } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { createAccountTokens, createPasswordReset, type ResetDelivery } from '../src/account-tokens.ts'
import { createPasswordPolicy } from '../src/index.ts'

/** A backend, as the races need it. */
export interface RacesSubject {
  readonly name: string
  /** Several connections to one empty place, or one store several times. */
  open(): Promise<{ readonly stores: readonly Store[]; close?(): Promise<void> }>
}

/** What must hold on every backend when many do the same at once. Call it at the top of a test file. */
export function accountTokenRaces(subject: RacesSubject): void {
  async function on(work: (stores: readonly Store[]) => Promise<void>): Promise<void> {
    const { stores, close } = await subject.open()
    try {
      await work(stores)
    } finally {
      await close?.()
    }
  }
  const state = async (): Promise<string> => 'as it is'

  describe(`account tokens, raced on ${subject.name}`, () => {
    it('200 parallel uses of one token: one winner (ASVS 6.4.1)', () =>
      on(async (stores) => {
        const all = stores.map((store) => createAccountTokens({ store, purpose: 'reset', lifetime: 900 }))
        const issued = await all[0]!.issue('usr_ada', 'as it is')
        const uses = await Promise.all(Array.from({ length: 200 }, (_, i) => all[i % all.length]!.redeem(issued!.token, state)))
        expect(uses.filter(({ ok }) => ok)).toHaveLength(1)
      }))

    it('200 parallel requests: no more live tokens than an account may have', () =>
      on(async (stores) => {
        const all = stores.map((store) => createAccountTokens({ store, purpose: 'reset', lifetime: 900, maxLive: 3 }))
        const issued = await Promise.all(Array.from({ length: 200 }, (_, i) => all[i % all.length]!.issue('usr_ada', 'as it is')))
        const tokens = issued.filter((token) => token !== undefined).map(({ token }) => token)
        expect(tokens).toHaveLength(3)
        for (const token of tokens) expect((await all[0]!.redeem(token, state)).ok).toBe(true)
      }))

    it('50 parallel resets with one token, each to another password: one of them is the new one', () =>
      on(async (stores) => {
        const saved: string[] = []
        const ended: string[] = []
        const delivered: ResetDelivery[] = []
        // A state that does not change: the token alone decides.
        const ada = { account: 'usr_ada', state: 'as it is', secondFactor: false }
        const all = stores.map((store) =>
          createPasswordReset({
            store,
            policy: createPasswordPolicy({ blocklist: [] }),
            passwords: { hash: async (password) => `hash of ${password}` },
            accounts: {
              byIdentifier: async () => ada,
              byAccount: async () => ada,
              async save(_, next) {
                saved.push(next)
                return true
              },
            },
            deliver: async (delivery) => void delivered.push(delivery),
            endSessions: async (account) => void ended.push(account),
          }),
        )
        await all[0]!.request('ada@acme.test')
        await expect.poll(() => delivered.length, { timeout: 10_000 }).toBe(1)
        const [{ token } = { token: '' }] = delivered
        const results = await Promise.all(
          Array.from({ length: 50 }, (_, i) => all[i % all.length]!.redeem(token, `grotesque tuba gravel ${i}`)),
        )
        const won = results.flatMap(({ ok }, i) => (ok ? [i] : []))
        expect(won).toHaveLength(1)
        expect(saved).toEqual([`hash of grotesque tuba gravel ${won[0]}`])
        expect(ended).toEqual(['usr_ada'])
      }))
  })
}
