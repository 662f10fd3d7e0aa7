import { createHmac, randomBytes } from 'node:crypto'
import { createSealer } from '@portcullis/core'
import { type AttemptGuard, createHotp, createOneTimeCodes, createRecoveryCodes, createTotp } from '@portcullis/mfa'
import { expect } from 'vitest'
import { CALLERS, expectOneWinner, type OneTimeBehaviour } from './one-time-subject.ts'

// RFC 4226 Appendix D: the secret of its examples, in base32.
const bytes = '12345678901234567890'
const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
const sealer = createSealer({ current: 'suite', keys: { suite: randomBytes(32) } })
/** Lets all of them through: what is raced is the factor and not its guard. */
const everybody: AttemptGuard = { attempt: async () => ({ allowed: true, settle: async () => {} }) }
const open = { sealer, issuer: 'Suite', guard: everybody }

/** Codes that a person types. */
export const codes: readonly OneTimeBehaviour[] = [
  {
    title: `of ${CALLERS} uses of one TOTP code at once, one is accepted`,
    async check({ store, clock, account, atOnce }) {
      await createTotp({ ...open, clock, store }).enrol(account, { label: 'x', secret, confirmed: true })
      const code = hotpAt(Math.floor(clock.now() / 30_000))
      expectOneWinner(await atOnce((on) => createTotp({ ...open, clock, store: on }).verify(account, code)))
    },
  },
  {
    title: `of ${CALLERS} uses of one HOTP code at once, one is accepted`,
    async check({ store, clock, account, atOnce }) {
      const hotp = createHotp({ ...open, clock, store })
      await hotp.enrol(account, { label: 'x', secret })
      expect(await hotp.confirm(account, hotpAt(0))).toMatchObject({ ok: true })
      expectOneWinner(await atOnce((on) => createHotp({ ...open, clock, store: on }).verify(account, hotpAt(1))))
    },
  },
  {
    title: `of ${CALLERS} uses of one recovery code at once, one is accepted, and no other code is lost`,
    async check({ store, clock, account, atOnce }) {
      const recovery = createRecoveryCodes({ store, clock })
      const [code = ''] = await recovery.generate(account)
      expectOneWinner(await atOnce((on) => createRecoveryCodes({ store: on, clock }).verify(account, code)))
      expect(await recovery.status(account)).toMatchObject({ remaining: 9 })
    },
  },
  {
    title: 'of ten recovery codes used at once, each is accepted, and none is left',
    async check({ store, clock, account, atOnce }) {
      const recovery = createRecoveryCodes({ store, clock })
      const made = await recovery.generate(account)
      const used = await atOnce((on, n) => createRecoveryCodes({ store: on, clock }).verify(account, made[n] ?? ''), made.length)
      expect(used.map(({ ok }) => ok)).toEqual(made.map(() => true))
      expect(await recovery.status(account)).toMatchObject({ remaining: 0 })
    },
  },
  {
    title: `of ${CALLERS} uses of one code out of band at once, one is accepted`,
    async check({ store, clock, account, atOnce }) {
      const options = { secret: randomBytes(32), attempts: 10, clock }
      const subject = { account, purpose: 'race' }
      const issued = await createOneTimeCodes({ ...options, store }).issue({ ...subject, channel: 'push' })
      if (!issued.ok) throw new TypeError('no code was made')
      expectOneWinner(await atOnce((on) => createOneTimeCodes({ ...options, store: on }).verify({ ...subject, ...issued })))
    },
  },
  {
    title: `of ${CALLERS} guesses at one code out of band at once, as many are looked at as it has attempts`,
    async check({ store, clock, account, atOnce }) {
      const options = { secret: randomBytes(32), attempts: 10, clock }
      const subject = { account, purpose: 'race' }
      const issued = await createOneTimeCodes({ ...options, store }).issue({ ...subject, channel: 'push' })
      if (!issued.ok) throw new TypeError('no code was made')
      const { request } = issued
      const code = ((Number(issued.code) + 1) % 1e8).toString().padStart(8, '0')
      const guesses = await atOnce((on) => createOneTimeCodes({ ...options, store: on }).verify({ ...subject, request, code }))
      const heard = guesses.map((result) => (result.ok ? 'yes' : result.reason.code)).toSorted()
      const unknown = Array.from({ length: CALLERS - 10 }, () => 'mfa.code_unknown')
      expect(heard).toEqual([...unknown, ...Array.from({ length: 10 }, () => 'mfa.code_wrong')])
    },
  },
  {
    title: `the guard that a factor has by itself lets ten of ${CALLERS} guesses at once through`,
    async check({ store, clock, account, atOnce }) {
      const options = { sealer, issuer: 'Suite', clock }
      await createTotp({ ...options, store }).enrol(account, { label: 'x', secret, confirmed: true })
      const guesses = await atOnce((on) => createTotp({ ...options, store: on }).verify(account, 'abcdef'))
      const reached = guesses.filter((result) => !result.ok && result.reason.code === 'mfa.code_malformed')
      // One more comes each 90 seconds, where time goes on by itself and the backend is slow.
      expect(reached.length).toBeGreaterThanOrEqual(10)
      expect(reached.length).toBeLessThanOrEqual(11)
    },
  },
]

/** RFC 4226 §5.3, of six digits. Not by `@portcullis/mfa`: the suite knows by itself which code is right. */
function hotpAt(counter: number): string {
  const moving = Buffer.alloc(8)
  moving.writeBigUInt64BE(BigInt(counter))
  const mac = createHmac('sha1', bytes).update(moving).digest()
  const offset = mac.readUInt8(19) & 0x0f
  return ((mac.readUInt32BE(offset) & 0x7fffffff) % 1e6).toString().padStart(6, '0')
}
