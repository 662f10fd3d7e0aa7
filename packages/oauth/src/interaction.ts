import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock, Collection, Store, Stored } from '@portcullis/core'
import type { Proof } from './account.ts'
import type { AuthorizationRequest } from './authorization-request.ts'

/** An authorization request that waits for a person. */
export type Interaction = {
  readonly request: AuthorizationRequest
  /** The handle of the browser's session, signed in or not: nobody else may go on with it. */
  readonly session: string
  /** Makes the form token; new whenever the session is. */
  readonly secret: string
  /** Whether the person has signed in for this very request. */
  readonly reauthenticated: boolean
  /** Who has proven something, what, and that it is not enough yet. */
  readonly pending?: { readonly subject: string; readonly proofs: readonly Proof[] }
  /** Codes and passkeys that were tried since then. */
  readonly attempts: number
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** One that is kept: its id as the browser has it, and what is stored. */
export interface OpenInteraction {
  readonly id: string
  readonly stored: Stored<Interaction>
}

/** Interactions, for as long as somebody may take to sign in. */
export class Interactions {
  readonly #records: Collection<Interaction>
  readonly #clock: Clock
  readonly #lifetime: number

  /** @param lifetime seconds */
  constructor(store: Store, clock: Clock, lifetime: number) {
    this.#records = store.collection<Interaction>({ name: 'oauth.interactions' })
    this.#clock = clock
    this.#lifetime = lifetime * 1000
  }

  /** @returns its id */
  async open(request: AuthorizationRequest, session: string): Promise<string> {
    const id = randomBytes(32).toString('base64url')
    const expiresAt = this.#clock.now() + this.#lifetime
    const interaction: Interaction = { request, session, secret: newSecret(), reauthenticated: false, attempts: 0, expiresAt }
    await this.#records.create(keyOf(id), interaction, { expiresAt })
    return id
  }

  /** The interaction, if it is this session's. */
  async find(id: string | undefined, session: string | undefined): Promise<OpenInteraction | undefined> {
    if (id === undefined || session === undefined || !/^[A-Za-z0-9_-]{43}$/.test(id)) return undefined
    const stored = await this.#records.get(keyOf(id))
    if (stored === undefined || stored.value.expiresAt <= this.#clock.now()) return undefined
    return stored.value.session === session ? { id, stored } : undefined
  }

  /** Writes a change. False: somebody was faster. */
  change({ stored }: OpenInteraction, change: Partial<Interaction>): Promise<boolean> {
    const value = { ...stored.value, ...change }
    return this.#records.replace(stored.id, stored.version, value, { expiresAt: value.expiresAt })
  }

  /** Goes on in the session that a step of signing in has begun; tokens of earlier forms are void. */
  moveTo(
    open: OpenInteraction,
    session: string,
    change: Pick<Interaction, 'reauthenticated'> & Partial<Interaction>,
  ): Promise<boolean> {
    const { pending: _, ...before } = open.stored.value
    const value: Interaction = { ...before, attempts: 0, ...change, session, secret: newSecret() }
    return this.#records.replace(open.stored.id, open.stored.version, value, { expiresAt: value.expiresAt })
  }

  /** Ends it. Of any number of callers, one is told true. */
  async close({ stored }: OpenInteraction): Promise<boolean> {
    return (await this.#records.take(stored.id)) !== undefined
  }
}

/** The anti-forgery token of an interaction's forms: bound to it and to the browser's session. */
export function formTokenOf({ secret, session }: { readonly secret: string; readonly session: string }): string {
  return createHmac('sha256', secret).update(session).digest('base64url')
}

/** Whether a form came with its token. */
export function isFormToken(given: string | undefined, bound: { readonly secret: string; readonly session: string }): boolean {
  if (given === undefined) return false
  const [sent, expected] = [Buffer.from(given), Buffer.from(formTokenOf(bound))]
  return sent.length === expected.length && timingSafeEqual(sent, expected)
}

/** 256 random bits. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url')
}
