import { createHash } from 'node:crypto'
import type { Clock, Collection, Store } from '@portcullis/core'

/** What a person has allowed a client. */
export interface Consent {
  readonly clientId: string
  readonly scopes: readonly string[]
  /** Milliseconds since the epoch. */
  readonly givenAt: number
}

/** Consents that were given: for a person to review (ASVS 10.7.3), and for `prompt=none`. */
export interface Consents {
  /** All of a person's. */
  list(subject: string): Promise<readonly Consent[]>
  /** Takes one back; it does not end tokens: see `refreshTokens`. False: there was none. */
  revoke(subject: string, clientId: string): Promise<boolean>
}

type ConsentRecord = {
  readonly subject: string
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly givenAt: number
}

/** The same, as the authorization endpoint uses it. */
export class StoredConsents implements Consents {
  readonly #records: Collection<ConsentRecord>
  readonly #clock: Clock

  constructor(store: Store, clock: Clock) {
    this.#records = store.collection<ConsentRecord>({ name: 'oauth.consents', indexes: ['subject'] })
    this.#clock = clock
  }

  /** Keeps what was allowed last; what an earlier consent allowed beyond it is over. */
  async give(subject: string, clientId: string, scopes: readonly string[]): Promise<void> {
    const id = idOf(subject, clientId)
    const record = { subject, clientId, scopes, givenAt: this.#clock.now() }
    const options = { index: { subject } }
    if (await this.#records.create(id, record, options)) return
    const before = await this.#records.get(id)
    // Lost to another consent of the same person in the same moment: then that one is the last.
    if (before !== undefined) await this.#records.replace(id, before.version, record, options)
  }

  /** Whether all of these scopes were allowed. */
  async covers(subject: string, clientId: string, scopes: readonly string[]): Promise<boolean> {
    const given = await this.#records.get(idOf(subject, clientId))
    return given !== undefined && scopes.every((scope) => given.value.scopes.includes(scope))
  }

  async list(subject: string): Promise<readonly Consent[]> {
    const consents: Consent[] = []
    for await (const { value } of this.#records.find('subject', subject)) {
      consents.push({ clientId: value.clientId, scopes: value.scopes, givenAt: value.givenAt })
    }
    return consents
  }

  revoke(subject: string, clientId: string): Promise<boolean> {
    return this.#records.remove(idOf(subject, clientId))
  }
}

// Hashed as JSON, so that no pair of names can be written as another pair.
function idOf(subject: string, clientId: string): string {
  return createHash('sha256')
    .update(JSON.stringify([subject, clientId]))
    .digest('base64url')
}
