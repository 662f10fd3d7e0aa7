import type { Collection, Store } from '@portcullis/core'
import type { TotpParameters } from './otp.ts'

/** A secret as it is kept, with the parameters that its authenticator was told. */
export type TotpFactor = TotpParameters & {
  /** Sealed for {@link sealContext}. */
  readonly secret: string
}

/** What is kept for an account. */
export type TotpRecord = {
  readonly active?: TotpFactor & {
    /** The last step that was accepted; −1: none yet. */
    readonly lastStep: number
  }
  readonly pending?: TotpFactor & {
    /** Milliseconds since the epoch. */
    readonly expiresAt: number
  }
}

/** @param store where the collection `mfa.totp` lies, one record for each account */
export function totpRecords(store: Store): Collection<TotpRecord> {
  return store.collection<TotpRecord>({ name: 'mfa.totp' })
}

/** Binds a sealed secret to its account: copied into somebody else's record it does not open. */
export function sealContext(account: string): string {
  return `mfa.totp:${account}`
}
