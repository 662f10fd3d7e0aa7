import { randomBytes } from 'node:crypto'
import { createSealer, type Store, systemClock } from '@portcullis/core'
import { HOTP, Secret, TOTP } from 'otpauth'
import { describe, expect, it } from 'vitest'
import type { AttemptGuard } from '../src/attempts.ts'
import { createHotp, createOneTimeCodes, createRecoveryCodes, createTotp } from '../src/index.ts'
import { createPasskeys } from '../src/passkeys.ts'
import { SoftAuthenticator } from './authenticator.ts'

const runners = 200
/** Lets all of them through: what is raced is the factor and not its guard. */
const everybody: AttemptGuard = { attempt: async () => ({ allowed: true, settle: async () => {} }) }

/**
 * 200 parallel uses of one one-time thing, spread over the handles: one winner, and nobody hears anything but yes or no. For every
 * backend of the `Store` port.
 * @param name the backend's
 * @param open called in each test: handles to one backend, as several processes would have
 */
export function factorRaces(name: string, open: () => Promise<readonly Store[]>): void {
  describe(`races of factors on ${name}`, () => {
    const sealer = createSealer({ current: 'k', keys: { k: randomBytes(32) } })
    // Backends keep their own time, so nothing here may run ahead of it.
    const clock = systemClock
    let stores: readonly Store[] = []
    let account = ''

    /** What the handles made of one thing. */
    async function race(use: (store: Store) => Promise<{ readonly ok: boolean }>): Promise<void> {
      const all = Array.from({ length: runners }, (_, i) => use(stores[i % stores.length] as Store))
      const results = await Promise.all(all)
      expect(results.filter(({ ok }) => ok)).toHaveLength(1)
      expect(results.filter(({ ok }) => !ok)).toHaveLength(runners - 1)
    }

    const first = async (): Promise<Store> => {
      stores = await open()
      account = `usr_${randomBytes(6).toString('hex')}`
      return stores[0] as Store
    }

    it('one TOTP code', async () => {
      const options = { sealer, issuer: 'Race', clock, guard: everybody }
      const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
      await createTotp({ ...options, store: await first() }).enrol(account, { label: 'x', secret, confirmed: true })
      const code = new TOTP({ secret: Secret.fromBase32(secret) }).generate()
      await race((store) => createTotp({ ...options, store }).verify(account, code))
    }, 60_000)

    it('one HOTP code', async () => {
      const options = { sealer, issuer: 'Race', clock, guard: everybody }
      const hotp = createHotp({ ...options, store: await first() })
      const { uri } = await hotp.enrol(account, { label: 'x' })
      const secret = Secret.fromBase32(new URL(uri).searchParams.get('secret') ?? '')
      await hotp.confirm(account, HOTP.generate({ secret, counter: 0 }))
      const code = HOTP.generate({ secret, counter: 1 })
      await race((store) => createHotp({ ...options, store }).verify(account, code))
    }, 60_000)

    it('one recovery code', async () => {
      const [code = ''] = await createRecoveryCodes({ store: await first() }).generate(account)
      await race((store) => createRecoveryCodes({ store }).verify(account, code))
    }, 60_000)

    it('one code out of band, and of ten attempts at most ten are taken', async () => {
      const options = { secret: randomBytes(32), attempts: 10 }
      const subject = { purpose: 'race' }
      const store = await first()
      const issued = await createOneTimeCodes({ ...options, store }).issue({ ...subject, account, channel: 'push' })
      if (!issued.ok) throw new TypeError('no code was made')
      await race((one) => createOneTimeCodes({ ...options, store: one }).verify({ ...subject, account, ...issued }))
    }, 60_000)

    it('one passkey challenge', async () => {
      const site = { rpId: 'acme.test', rpName: 'Acme', origins: ['https://login.acme.test'] }
      const passkeys = createPasskeys({ ...site, store: await first() })
      const authenticator = new SoftAuthenticator()
      const made = authenticator.create(await passkeys.beginRegistration(account, { browser: 'b', userName: 'x' }))
      await passkeys.finishRegistration(account, { browser: 'b', response: made, name: 'x' })
      const response = authenticator.get(await passkeys.beginSignIn({ browser: 'b' }))
      await race((store) => createPasskeys({ ...site, store }).finishSignIn({ browser: 'b', response }))
    }, 60_000)

    it('one registration, with one passkey made', async () => {
      const site = { rpId: 'acme.test', rpName: 'Acme', origins: ['https://login.acme.test'] }
      const passkeys = createPasskeys({ ...site, store: await first() })
      const response = new SoftAuthenticator().create(await passkeys.beginRegistration(account, { browser: 'b', userName: 'x' }))
      await race((store) => createPasskeys({ ...site, store }).finishRegistration(account, { browser: 'b', response, name: 'x' }))
      expect(await passkeys.list(account)).toHaveLength(1)
    }, 60_000)

    it('one credential id that two accounts claim at once', async () => {
      const site = { rpId: 'acme.test', rpName: 'Acme', origins: ['https://login.acme.test'] }
      const passkeys = createPasskeys({ ...site, store: await first() })
      const claims = await Promise.all(
        Array.from({ length: 20 }, async (_, i) => {
          const options = await passkeys.beginRegistration(`${account}-${i}`, { browser: 'b', userName: 'x' })
          const credentialId = Buffer.from(`one id of ${account}`)
          return new SoftAuthenticator({ credentialId }).create(options)
        }),
      )
      const results = await Promise.all(
        claims.map((response, i) => {
          const on = createPasskeys({ ...site, store: stores[i % stores.length] as Store })
          return on.finishRegistration(`${account}-${i}`, { browser: 'b', response, name: 'x' })
        }),
      )
      expect(results.filter(({ ok }) => ok)).toHaveLength(1)
    }, 60_000)

    it('the guard that a factor has by itself lets ten of 200 guesses through', async () => {
      const options = { sealer, issuer: 'Race', clock }
      const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
      await createTotp({ ...options, store: await first() }).enrol(account, { label: 'x', secret, confirmed: true })
      const guesses = Array.from({ length: runners }, (_, i) =>
        createTotp({ ...options, store: stores[i % stores.length] as Store }).verify(account, 'abcdef'),
      )
      const reached = (await Promise.all(guesses)).filter((result) => !result.ok && result.reason.code === 'mfa.code_malformed')
      // Ten at once, and one more each 90 seconds that a slow backend takes.
      expect(reached.length).toBeGreaterThanOrEqual(10)
      expect(reached.length).toBeLessThanOrEqual(11)
    }, 60_000)
  })
}
