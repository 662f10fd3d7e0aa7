import type { EventContext } from './events.ts'

/** A browser that its owner has signed in with before: what `DeviceCookies.read` of `@portcullis/rate-limit` answers. */
export interface KnownDevice {
  /** The device's own bucket. Never from a request as it came: whoever can make one up has as many attempts as he likes. */
  readonly id: string
  /** Whose device it is, as accounts are called where it is handed in. For other accounts it is none. */
  readonly account: string
}

/** Where an attempt at a secret comes from. */
export interface AttemptContext extends EventContext {
  /** Counted by itself, so that strangers who guess do not use up what the owner has there. */
  readonly device?: KnownDevice | undefined
}

/** At what an attempt is made, and from where. */
export interface AttemptIdentity {
  /** Whose secret it is, or the public part of the secret itself, whether or not there is such a one. */
  readonly account: string
  /** The client's address. */
  readonly address: string | undefined
  readonly device?: KnownDevice | undefined
}

/**
 * Stands before a secret that can be guessed, and lets an attempt through or does not. The `BruteForceGuard` of
 * `@portcullis/rate-limit` is one; its presets say for what.
 */
export interface AttemptGuard {
  /**
   * Takes an attempt **before** the secret is looked at; `settle` says afterwards how it went. `unchecked`: it was not looked at after all.
   * An attempt that is never settled stays counted.
   */
  attempt(
    identity: AttemptIdentity,
    context?: EventContext,
  ): Promise<
    | { readonly allowed: true; settle(outcome: 'success' | 'failure' | 'unchecked'): Promise<void> }
    // Whole seconds.
    | { readonly allowed: false; readonly retryAfter: number }
  >
}
