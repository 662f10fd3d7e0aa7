import type { Reason } from '@portcullis/core'
import { PasswordBusyError } from './errors.ts'
import { passwordChanged } from './events.ts'
import type { PasswordRefusal, Passwords } from './passwords.ts'
import type { PasswordPolicy, PolicyFlaw, PolicySubject } from './policy.ts'

/** Options of {@link createPasswordChange}. */
export interface PasswordChangeOptions {
  readonly passwords: Pick<Passwords, 'verify' | 'hash'>
  readonly policy: PasswordPolicy
  /**
   * Stores the new hash if the old one is still there. False: it is not.
   * @param account as it was given
   * @param hash the new one
   * @param before the old one
   */
  readonly save: (account: string, hash: string, before: string) => Promise<boolean>
  /** Ends the account's other sessions, once the new password is stored. */
  readonly endOtherSessions: (account: string) => Promise<void>
}

/** A change, as its owner asks for it. */
export interface PasswordChangeRequest extends PolicySubject {
  readonly account: string
  /** The account's hash as it is now. */
  readonly stored: string
  /** The password as it was, and as it is to be, both as received. */
  readonly current: string
  readonly next: string
}

/** What {@link PasswordChange.change} did. */
export type PasswordChangeResult =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly reason: PasswordRefusal | (Reason & { readonly code: 'password.contended' })
    }
  | { readonly ok: false; readonly reason: Reason & { readonly code: 'password.refused' }; readonly flaws: readonly PolicyFlaw[] }
  | { readonly ok: false; readonly reason: Reason & { readonly code: 'password.busy' }; readonly retryAfter: number }

/** Replaces a password by its owner's wish. */
export interface PasswordChange {
  /** Limit the attempts before this is called, as for a sign-in: it checks a password. */
  change(request: PasswordChangeRequest): Promise<PasswordChangeResult>
}

/** A change of password needs the current one as well as the new one (ASVS 6.2.3), whoever holds the session. */
export function createPasswordChange(options: PasswordChangeOptions): PasswordChange {
  const { passwords, policy, save, endOtherSessions } = options
  return {
    async change(request) {
      const { account, stored, current, next } = request
      const verified = await passwords.verify(current, stored)
      if (!verified.ok) return verified
      const verdict = await policy.check(next, request)
      if (!verdict.ok) {
        const reason = { code: 'password.refused', message: 'the new password does not meet the policy' } as const
        return { ok: false, reason, flaws: verdict.flaws }
      }
      let hash: string
      try {
        hash = await passwords.hash(next)
      } catch (error) {
        if (!(error instanceof PasswordBusyError)) throw error
        return { ok: false, reason: { code: 'password.busy', message: error.message }, retryAfter: error.retryAfter }
      }
      if (!(await save(account, hash, stored))) {
        return { ok: false, reason: { code: 'password.contended', message: 'the password was changed in the meantime' } }
      }
      await endOtherSessions(account)
      passwordChanged.publish({ account, by: 'change' })
      return { ok: true }
    },
  }
}
