import { epochSeconds } from '@portcullis/core'
import type { Session } from '@portcullis/sessions'
import type { Account } from './account.ts'
import type { Interaction } from './interaction.ts'
import { ASSURANCE_LEVELS, type Provider, type SignIn } from './provider.ts'
import { type Refused, refused } from './refusal.ts'

/** Somebody who has signed in as well as the request asks. */
export interface SignedIn {
  readonly account: Account
  readonly sessionId: string
  /** Seconds since the epoch. */
  readonly authTime: number
  readonly acr: string
  readonly amr: readonly string[]
}

/** Where a person stands with a request: what has to come next. */
export type Standing =
  | { readonly type: 'sign_in' }
  | { readonly type: 'second_factor'; readonly subject: string }
  /** Nothing that this person could do would be enough. */
  | Refused
  | ({ readonly type: 'signed_in' } & SignedIn)

const UNMET = refused('unmet_authentication_requirements', 'oauth.acr_unmet', 'none of the acr_values can be reached')
const OTHER_SUBJECT = refused('login_required', 'oauth.subject_mismatch', 'somebody else has signed in')

/**
 * Works out what comes next. Every page and every form asks here, so that there is one way in, and no way around a step of it.
 */
export async function standingOf(
  provider: Pick<Provider, 'accounts' | 'clock'>,
  { request, reauthenticated, pending }: Pick<Interaction, 'request' | 'reauthenticated' | 'pending'>,
  session: Session<SignIn> | undefined,
): Promise<Standing> {
  // RFC 9470 §5. An acr that nobody here can reach is not worth a password.
  const wanted = request.acrValues
  if (wanted !== undefined && !ASSURANCE_LEVELS.some((level) => wanted.includes(level))) return UNMET

  const subject = session?.subject
  const { authTime, acr, amr } = session?.data ?? {}
  if (session === undefined || subject === undefined || authTime === undefined || acr === undefined || amr === undefined) {
    return pending === undefined ? { type: 'sign_in' } : { type: 'second_factor', subject: pending.subject }
  }
  const { prompts, maxAge, expectedSubject } = request
  const again = prompts.includes('login') || prompts.includes('select_account')
  // OpenID Connect Core §3.1.2.1: 0 is prompt=login, within the same second too.
  const stale = maxAge !== undefined && (maxAge === 0 || epochSeconds(provider.clock) - authTime > maxAge)
  if ((again || stale) && !reauthenticated) return { type: 'sign_in' }
  if (expectedSubject !== undefined && expectedSubject !== subject) return reauthenticated ? OTHER_SUBJECT : { type: 'sign_in' }

  const account = await provider.accounts.find(subject)
  if (account === undefined) return { type: 'sign_in' }
  // Also where the session is older than the enrolment: no way in goes around a second factor.
  if (account.secondFactor && acr !== 'aal2') return { type: 'second_factor', subject }
  if (wanted !== undefined && !wanted.includes(acr) && !(wanted.includes('aal1') && acr === 'aal2')) return UNMET
  return { type: 'signed_in', account, sessionId: session.handle, authTime, acr, amr }
}
