import { randomBytes } from 'node:crypto'
import { createMemoryStore, createSealer, type RequestView } from '@portcullis/core'
import { createTotp, type TotpEnrolment } from '@portcullis/mfa/totp'

const totp = createTotp({
  store: createMemoryStore(), // one that lasts, in earnest
  sealer: createSealer({ current: '2026-11', keys: { '2026-11': randomBytes(32) } }), // from your secret manager
  issuer: 'Ledger',
})

/** Shows `qrSvg`, and `secret` for those who type. The person has just proven who they are. */
export function begin(account: string, email: string): Promise<TotpEnrolment> {
  return totp.enrol(account, { label: email })
}

/** The first code makes the factor count. */
export async function finish(req: RequestView, account: string, code: string): Promise<boolean> {
  return (await totp.confirm(account, code, { request: req })).ok
}

/** At sign-in, after the password, and behind a limit on attempts. */
export async function secondFactor(req: RequestView, account: string, code: string): Promise<boolean> {
  const result = await totp.verify(account, code, { request: req })
  if (!result.ok) console.warn(result.reason.code) // for the log; the client hears one text for every reason
  return result.ok
}
