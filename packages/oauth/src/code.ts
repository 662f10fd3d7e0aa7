import { createHash, randomBytes } from 'node:crypto'
import type { Clock, Collection, Store, Stored } from '@portcullis/core'
import type { Refused } from './refusal.ts'

/** What an authorization code stands for. */
export type CodeGrant = {
  readonly clientId: string
  /** As it was sent; `sent` is false where the only registered one was meant. */
  readonly redirectUri: { readonly value: string; readonly sent: boolean }
  readonly subject: string
  readonly scopes: readonly string[]
  /** The identifier of the resource. */
  readonly resource: string
  readonly nonce?: string
  /** The S256 challenge of PKCE. */
  readonly challenge?: string
  /** The thumbprint of the DPoP key that the code is bound to (RFC 9449 §10). */
  readonly dpopJkt?: string
  /** The handle of the session in which it was granted. */
  readonly sessionId: string
  /** Seconds since the epoch. */
  readonly authTime: number
  readonly acr: string
  readonly amr: readonly string[]
}

/** What became of a code that was presented. */
export type Redemption =
  | {
      readonly type: 'redeemed'
      readonly grant: CodeGrant
      /** What the tokens that come of it have in common: nothing that the code could be found by. */
      readonly grantId: string
      /** Notes the refresh family that came of it. False: the code was presented again meanwhile, and the family must end. */
      attach(familyId: string): Promise<boolean>
    }
  | { readonly type: 'unknown' }
  /** Presented once more by somebody who passed every check. @property familyId what the first redemption gave */
  | {
      readonly type: 'replayed'
      readonly grant: CodeGrant
      readonly grantId: string
      readonly familyId: string | undefined
    }
  | Refused

type CodeRecord = {
  readonly grant: CodeGrant
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  readonly spent?: { readonly replayed: boolean; readonly familyId?: string }
}

// How long a code that was redeemed is remembered, so that a replay is seen as one: milliseconds.
const REMEMBERED = 3_600_000

/**
 * Authorization codes: 256 random bits, kept as their hash, good once.
 *
 * A code is spent by compare-and-set on its own record and not by removing it: the record of its use then exists from the very
 * moment it is used, and a replay that arrives while the first redemption still signs its tokens is known for what it is.
 */
export class Codes {
  readonly #records: Collection<CodeRecord>
  readonly #clock: Clock
  readonly #lifetime: number

  /** @param lifetime seconds */
  constructor(store: Store, clock: Clock, lifetime: number) {
    this.#records = store.collection<CodeRecord>({ name: 'oauth.codes' })
    this.#clock = clock
    this.#lifetime = lifetime * 1000
  }

  /** A new code; the only copy. */
  async issue(grant: CodeGrant): Promise<string> {
    const code = randomBytes(32).toString('base64url')
    const expiresAt = this.#clock.now() + this.#lifetime
    await this.#records.create(idOf(code), { grant, expiresAt }, { expiresAt })
    return code
  }

  /**
   * Redeems a code, once.
   * @param check whether whoever presents it may have it. Asked before anything is written: a code that was stolen or mistyped
   * must not be used up by whoever can't redeem it, nor end anything
   */
  async redeem(code: string, check: (grant: CodeGrant) => Refused | undefined): Promise<Redemption> {
    const id = idOf(code)
    for (;;) {
      const stored = await this.#records.get(id)
      if (stored === undefined) return { type: 'unknown' }
      const { grant, expiresAt, spent } = stored.value
      const refusal = check(grant)
      if (refusal !== undefined) return refusal
      if (spent !== undefined) {
        if (spent.replayed || (await this.#write(stored, { ...spent, replayed: true }))) {
          return { type: 'replayed', grant, grantId: id, familyId: spent.familyId }
        }
      } else {
        if (expiresAt <= this.#clock.now()) return { type: 'unknown' }
        if (await this.#write(stored, { replayed: false })) {
          return { type: 'redeemed', grant, grantId: id, attach: (familyId) => this.#attach(id, familyId) }
        }
      }
      // Somebody was faster. Each record changes three times at most, so this ends.
    }
  }

  async #attach(id: string, familyId: string): Promise<boolean> {
    for (;;) {
      const stored = await this.#records.get(id)
      if (stored?.value.spent?.replayed !== false) return false
      if (await this.#write(stored, { replayed: false, familyId })) return true
    }
  }

  #write({ id, version, value }: Stored<CodeRecord>, spent: NonNullable<CodeRecord['spent']>): Promise<boolean> {
    return this.#records.replace(id, version, { ...value, spent }, { expiresAt: this.#clock.now() + REMEMBERED })
  }
}

function idOf(code: string): string {
  return createHash('sha256').update(code).digest('base64url')
}
