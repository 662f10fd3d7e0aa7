import { randomBytes } from 'node:crypto'
import type { Clock, Store } from '@portcullis/core'
import { createPasskeys, type Passkeys } from '@portcullis/mfa/passkeys'
import { expect } from 'vitest'
import { Authenticator } from './authenticator.ts'
import { CALLERS, expectOneWinner, type OneTimeBehaviour } from './one-time-subject.ts'

const origin = 'https://login.acme.test'
const browser = 'a browser'
const userName = 'x'
const name = 'x'

/** Challenges that a browser answers. */
export const passkeys: readonly OneTimeBehaviour[] = [
  {
    title: `of ${CALLERS} answers to one sign-in's challenge at once, one signs in`,
    async check({ store, clock, account, atOnce }) {
      const site = on(store, clock)
      const authenticator = new Authenticator(origin)
      const made = authenticator.create(await site.beginRegistration(account, { browser, userName }))
      expect(await site.finishRegistration(account, { browser, response: made, name })).toMatchObject({ ok: true })
      const response = authenticator.get(await site.beginSignIn({ browser }))
      expectOneWinner(await atOnce((each) => on(each, clock).finishSignIn({ browser, response })))
    },
  },
  {
    title: `of ${CALLERS} answers to one registration's challenge at once, one is accepted, and one passkey is made`,
    async check({ store, clock, account, atOnce }) {
      const site = on(store, clock)
      const response = new Authenticator(origin).create(await site.beginRegistration(account, { browser, userName }))
      expectOneWinner(await atOnce((each) => on(each, clock).finishRegistration(account, { browser, response, name })))
      expect(await site.list(account)).toHaveLength(1)
    },
  },
  {
    title: 'of 20 accounts that claim one credential id at once, one gets it',
    async check({ store, clock, account, atOnce }) {
      const site = on(store, clock)
      const id = randomBytes(32)
      const claims = await atOnce(async (_, n) => {
        const options = await site.beginRegistration(`${account}-${n}`, { browser, userName })
        return new Authenticator(origin, id).create(options)
      }, 20)
      const results = await atOnce((each, n) => {
        return on(each, clock).finishRegistration(`${account}-${n}`, { browser, response: claims[n], name })
      }, 20)
      expectOneWinner(results)
      const kept = await atOnce((_, n) => site.list(`${account}-${n}`), 20)
      expect(kept.map(({ length }) => length)).toEqual(results.map(({ ok }) => (ok ? 1 : 0)))
    },
  },
]

function on(store: Store, clock: Clock): Passkeys {
  return createPasskeys({ store, clock, rpId: 'acme.test', rpName: 'Acme', origins: [origin] })
}
