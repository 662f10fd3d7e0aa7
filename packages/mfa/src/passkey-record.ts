import { createHash, randomBytes } from 'node:crypto'
import type { Collection, Store, Stored } from '@portcullis/core'
import type { Factor } from './proof.ts'

/** What is kept of a passkey (WebAuthn L3 §4, credential record). */
export type PasskeyRecord = {
  readonly account: string
  /** The account's user handle, as the authenticator has it. */
  readonly user: string
  /** base64url, as all bytes here. */
  readonly credentialId: string
  readonly publicKey: string
  readonly counter: number
  readonly transports: readonly string[]
  readonly aaguid: string
  /** It may be copied to other devices of the person; it is decided when it is made. */
  readonly backupEligible: boolean
  readonly backedUp: boolean
  /** Whether its authenticator ever verified the person. */
  readonly userVerified: boolean
  readonly attested: boolean
  readonly name: string
  /** Milliseconds since the epoch, as all times here. */
  readonly createdAt: number
  readonly lastUsedAt?: number
}

/** A passkey, as its owner sees it in a list. */
export interface Passkey {
  /** Names it in {@link Passkeys.rename} and {@link Passkeys.remove}. */
  readonly handle: string
  readonly name: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** Milliseconds since the epoch; `undefined`: never. */
  readonly lastUsedAt: number | undefined
  /** It may be on several devices of its owner. */
  readonly synced: boolean
  readonly backedUp: boolean
  readonly userVerified: boolean
  /** A pinned anchor vouches for its model. */
  readonly attested: boolean
  /** The authenticator's model, as it says of itself. */
  readonly aaguid: string
  readonly transports: readonly string[]
}

/** Passkeys by the hash of their credential id: that id may be longer than an id of a store. */
export interface PasskeyRecords {
  readonly rows: Collection<PasskeyRecord>
  of(account: string): Promise<readonly Stored<PasskeyRecord>[]>
  /** The random user handle of an account: made once, 32 bytes, and not derived from anything (WebAuthn L3 §14.6.1). */
  userOf(account: string): Promise<string>
}

/** @param store where the collections `mfa.passkeys` and `mfa.passkey_users` lie */
export function passkeyRecords(store: Store): PasskeyRecords {
  const rows = store.collection<PasskeyRecord>({ name: 'mfa.passkeys', indexes: ['account'] })
  const users = store.collection<{ readonly handle: string }>({ name: 'mfa.passkey_users' })
  return {
    rows,
    async of(account) {
      const found: Stored<PasskeyRecord>[] = []
      for await (const row of rows.find('account', account)) found.push(row)
      return found.sort((a, b) => a.value.createdAt - b.value.createdAt)
    },
    async userOf(account) {
      const handle = randomBytes(32).toString('base64url')
      const known =
        (await users.get(account)) ?? ((await users.create(account, { handle })) ? undefined : await users.get(account))
      return known?.value.handle ?? handle
    },
  }
}

/** Where a passkey is kept. */
export function passkeyId(credentialId: string): string {
  return createHash('sha256').update(credentialId).digest('base64url')
}

/** What its owner may see. */
export function toPasskey({ id, value }: { readonly id: string; readonly value: PasskeyRecord }): Passkey {
  const { name, createdAt, lastUsedAt, backupEligible, backedUp, userVerified, attested, aaguid, transports } = value
  return { handle: id, name, createdAt, lastUsedAt, synced: backupEligible, backedUp, userVerified, attested, aaguid, transports }
}

/** What it counts for. @param userVerified in a proof: this time */
export function toFactor(
  { backupEligible, attested, ...record }: PasskeyRecord,
  userVerified: boolean = record.userVerified,
): Factor {
  return { method: 'passkey', userVerified, deviceBound: !backupEligible, attested }
}
