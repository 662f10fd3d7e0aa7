import { randomBytes } from 'node:crypto'
import { createMemoryStore, createSealer, epochSeconds, type RequestView, systemClock } from '@portcullis/core'
import {
  type AssuranceDecision,
  createAssurance,
  createRecoveryCodes,
  createTotp,
  type Factor,
  type Proof,
  type RecoveryCodes,
  type Totp,
} from '@portcullis/mfa'
import { createPasskeys, type Passkeys } from '@portcullis/mfa/passkeys'

const store = createMemoryStore() // one that lasts, in earnest
const sealer = createSealer({ current: '2026-11', keys: { '2026-11': randomBytes(32) } }) // from your secret manager

export const totp: Totp = createTotp({ store, sealer, issuer: 'Ledger' }) // and a `guard`: see below
export const recovery: RecoveryCodes = createRecoveryCodes({ store })
export const passkeys: Passkeys = createPasskeys({
  store,
  rpId: 'acme.test',
  rpName: 'Ledger',
  origins: ['https://login.acme.test'],
})
const assurance = createAssurance()

/** What an account can be asked for. */
async function enrolled(account: string): Promise<Factor[]> {
  const factors: Factor[] = [{ method: 'password' }, ...(await passkeys.factors(account))]
  if (await totp.enrolled(account)) factors.push({ method: 'totp' })
  if (((await recovery.status(account))?.remaining ?? 0) > 0) factors.push({ method: 'recovery_code' })
  return factors
}

/** Every way in ends here, and so does every step-up: with what was proven so far. Sign in on `enough` alone. */
export async function decide(account: string, proofs: readonly Proof[], maxAge?: number): Promise<AssuranceDecision> {
  const requirement = maxAge === undefined ? {} : { maxAge }
  return assurance.decide({ proofs, enrolled: await enrolled(account), requirement, now: epochSeconds(systemClock) })
}

/** The answer to `more`: a code, whose proof goes to those that the session keeps. */
export async function answer(req: RequestView, account: string, code: string): Promise<Proof | undefined> {
  const verify = code.length > 8 ? recovery.verify : totp.verify
  const result = await verify(account, code, { request: req })
  if (result.ok) return result.proof
  console.warn(result.reason.code) // for the log; the client hears one text for every reason
  return undefined
}

/** Before a factor is added, replaced or taken away. */
export async function mayEnrol(account: string, proofs: readonly Proof[], factor: Factor): Promise<boolean> {
  const now = epochSeconds(systemClock)
  return assurance.decideChange({ change: 'enrol', factor, proofs, enrolled: await enrolled(account), now }).type === 'enough'
}
