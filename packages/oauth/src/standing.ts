import { epochSeconds } from '@portcullis/core'
import type { Session } from '@portcullis/sessions'
import { type Account, ASSURANCE_LEVELS, type AssuranceDecision, type Proof } from './account.ts'
import type { AuthorizationRequest } from './authorization-request.ts'
import { OAuthError } from './errors.ts'
import type { Interaction } from './interaction.ts'
import type { Provider, SignIn } from './provider.ts'
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

/** Somebody who has proven something, and has to prove more. */
export interface Halfway {
  readonly subject: string
  readonly proofs: readonly Proof[]
  /** What would do: a code that something shows or that is sent, one on paper, a passkey. */
  readonly code: boolean
  readonly recoveryCode: boolean
  readonly passkey: boolean
}

/** Where a person stands with a request: what has to come next. */
export type Standing =
  | { readonly type: 'sign_in' }
  | ({ readonly type: 'second_factor' } & Halfway)
  /** Nothing that this person could do would be enough. */
  | Refused
  | ({ readonly type: 'signed_in' } & SignedIn)

const SIGN_IN: Standing = { type: 'sign_in' }
/** For the client: nothing that this person could do would be enough (RFC 9470 §5). */
export const UNMET: Refused = refused(
  'unmet_authentication_requirements',
  'oauth.acr_unmet',
  'none of the acr_values can be reached',
)
const OTHER_SUBJECT = refused('login_required', 'oauth.subject_mismatch', 'somebody else has signed in')

/**
 * Works out what comes next. Every page and every form asks here, so that there is one way in, and no way around a step of it.
 */
export async function standingOf(
  provider: Pick<Provider, 'accounts' | 'clock'>,
  interaction: Pick<Interaction, 'request' | 'reauthenticated' | 'pending'>,
  session: Session<SignIn> | undefined,
): Promise<Standing> {
  const { request, reauthenticated, pending } = interaction
  // RFC 9470 §5. A level that nobody here can reach is not worth a password.
  if (request.acrValues !== undefined && levelOf(request) === undefined) return UNMET

  const subject = pending?.subject ?? session?.subject
  const proofs = pending?.proofs ?? session?.data.proofs
  if (subject === undefined || proofs === undefined) return SIGN_IN
  if (pending === undefined) {
    const { prompts, maxAge, expectedSubject } = request
    // OpenID Connect Core §3.1.2.1: 0 is prompt=login, within the same second too.
    const again = prompts.includes('login') || prompts.includes('select_account') || maxAge === 0
    if (again && !reauthenticated) return SIGN_IN
    if (expectedSubject !== undefined && expectedSubject !== subject) return reauthenticated ? OTHER_SUBJECT : SIGN_IN
  }
  const account = await provider.accounts.find(subject)
  if (account === undefined) return SIGN_IN
  const decision = await weigh(provider, interaction, { subject, proofs })
  if (decision.type === 'more') return moreOf(provider, decision.accept, { subject, proofs })
  if (decision.type !== 'enough') return UNMET
  // Enough since the form was sent, since a factor was taken away meanwhile: to look at a page begins no session.
  if (pending !== undefined || session === undefined) return SIGN_IN
  return { type: 'signed_in', account, sessionId: session.handle, ...assessmentOf(decision) }
}

/** Asks the application what proofs are worth for a request. */
export async function weigh(
  { accounts, clock }: Pick<Provider, 'accounts' | 'clock'>,
  { request, reauthenticated }: Pick<Interaction, 'request' | 'reauthenticated'>,
  { subject, proofs }: { readonly subject: string; readonly proofs: readonly Proof[] },
): Promise<AssuranceDecision> {
  const { maxAge } = request
  const aal = levelOf(request)
  const requirement = {
    ...(aal !== undefined && { aal }),
    // What was proven for this very request does not grow old while the consent page is read; 0 was dealt with before.
    ...(maxAge !== undefined && maxAge > 0 && !reauthenticated && { maxAge }),
  }
  return accounts.decide({ subject, proofs, requirement, now: epochSeconds(clock) })
}

/** What tokens say of a sign-in. */
export function assessmentOf({
  assessment: { acr, amr, authTime },
}: AssuranceDecision & { readonly type: 'enough' }): Pick<SignedIn, 'acr' | 'amr' | 'authTime'> {
  if (acr === undefined || authTime === undefined) {
    throw new OAuthError('oauth.account_invalid', 'accounts.decide found enough what has no acr, or no time')
  }
  return { acr, amr, authTime }
}

/** What has to be asked for next. Whoever may begin anew is asked for the password, which a passkey can stand in for. */
export function moreOf(
  { accounts }: Pick<Provider, 'accounts'>,
  accept: readonly string[],
  so: Pick<Halfway, 'subject' | 'proofs'>,
): Standing {
  if (accept.includes('password')) return SIGN_IN
  const passkey = accounts.passkeys !== undefined && accept.includes('passkey')
  const recoveryCode = accept.includes('recovery_code')
  const code = accept.some((method) => method !== 'passkey' && method !== 'recovery_code')
  return code || recoveryCode || passkey ? { type: 'second_factor', ...so, code, recoveryCode, passkey } : UNMET
}

// Any of the acr_values will do (RFC 9470 §4), so the lowest is what is needed.
function levelOf({ acrValues }: AuthorizationRequest): (typeof ASSURANCE_LEVELS)[number] | undefined {
  return ASSURANCE_LEVELS.find((level) => acrValues?.includes(level))
}
