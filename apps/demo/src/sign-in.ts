import { type Clock, defineEvent, type EventType, epochSeconds, type HeaderList, type RequestView } from '@portcullis/core'
import type { Proof, Refused } from '@portcullis/mfa'
import type {
  AccountPasskeys,
  Accounts as AccountsPort,
  AssuranceDecision,
  AssuranceQuestion,
  CheckResult,
} from '@portcullis/oauth'
import type { Passwords } from '@portcullis/password'
import type { KnownDevice } from '@portcullis/rate-limit'
import { type Account, type Accounts, canonicalEmail } from './accounts.ts'
import type { Factors } from './factors.ts'
import { deviceOf, type Guesses } from './guesses.ts'
import { passkeyModule } from './passkey-module.ts'

/** A secret of an account that exists was wrong. Only its own tenant's owners read it; whoever guessed is told what all are told. */
const signInFailedEvent: EventType<
  'ledger.sign_in_failed',
  { readonly subject: string; readonly factor: 'password' | 'code' | 'passkey' }
> = defineEvent('ledger.sign_in_failed')

/** What {@link createSignIn} needs. */
export interface SignInParts {
  readonly accounts: Accounts
  readonly passwords: Passwords
  readonly factors: Factors
  readonly guesses: Pick<Guesses, 'passwords' | 'devices'>
  readonly clock: Clock
}

/**
 * People as the authorization server sees them: who they are, every way in which they prove it, and how much of it is enough. Every
 * attempt is paid for before the secret is looked at.
 */
export function createSignIn({ accounts, passwords, factors, guesses, clock }: SignInParts): AccountsPort {
  const { totp, recovery, passkeys, passkeysWork, assurance, enrolled } = factors
  const { devices } = guesses

  async function active(subject: string): Promise<Account | undefined> {
    const account = await accounts.find(subject)
    return account === undefined || account.disabled ? undefined : account
  }

  /** For whoever has shown every factor. */
  const known = (email: string, request: RequestView): HeaderList => [['Set-Cookie', devices.issue(email, request)]]

  async function knownDevice(subject: string, request: RequestView): Promise<KnownDevice | undefined> {
    const account = await accounts.find(subject)
    return account && deviceOf(devices, request, account)
  }

  async function decide(question: AssuranceQuestion<Proof>): Promise<AssuranceDecision> {
    return assurance.decide({ ...question, enrolled: await enrolled(question.subject) })
  }

  function refusal(
    result: Refused,
    subject: string | undefined,
    factor: 'code' | 'passkey',
    request: RequestView,
  ): CheckResult<never> {
    if (subject !== undefined) signInFailedEvent.publish({ subject, factor }, { request, clock })
    return result.retryAfter === undefined ? { type: 'refused' } : { type: 'limited', retryAfter: result.retryAfter }
  }

  const passkeysPort: AccountPasskeys = {
    module: passkeyModule,
    begin: ({ subject, browser }) =>
      subject === undefined ? passkeys.beginSignIn({ browser }) : passkeys.beginSecondFactor(subject, { browser }),
    async finish({ subject, browser, response, request }) {
      const answer = { browser, response }
      const result = await (subject === undefined
        ? passkeys.finishSignIn(answer, { request, deviceOf: (account) => knownDevice(account, request) })
        : passkeys.finishSecondFactor(subject, answer, { request, device: await knownDevice(subject, request) }))
      if (!result.ok) return refusal(result, subject, 'passkey', request)
      const account = await active(result.account)
      if (account === undefined) return { type: 'refused' }
      return { type: 'ok', subject: account.id, proofs: [result.proof], headers: known(account.email, request) }
    },
  }

  return {
    async authenticate({ username, password, request }) {
      // An empty name is nobody's: it is counted like any other that does not exist.
      const name = canonicalEmail(username) || '-'
      const device = devices.read(request, name)
      const attempt = await guesses.passwords.attempt({ account: name, address: request.client.ip, device }, { request })
      if (!attempt.allowed) return { type: 'limited', retryAfter: attempt.retryAfter }
      const account = await accounts.findByEmail(name)
      const result = await passwords.verify(password, account?.passwordHash)
      if (!result.ok && result.retryAfter !== undefined) {
        // Nothing was checked, so nothing was guessed.
        await attempt.settle('unchecked')
        return { type: 'limited', retryAfter: result.retryAfter }
      }
      // A disabled account takes as long as any other, and is told the same.
      const right = result.ok && account !== undefined && !account.disabled
      await attempt.settle(right ? 'success' : 'failure')
      if (!right) {
        if (account !== undefined) signInFailedEvent.publish({ subject: account.id, factor: 'password' }, { request, clock })
        return { type: 'refused' }
      }
      if (result.rehash !== undefined) await accounts.rehash(account, result.rehash)
      const now = epochSeconds(clock)
      const proofs: readonly Proof[] = [{ method: 'password', at: now }]
      const { type } = await decide({ subject: account.id, proofs, requirement: {}, now })
      return { type: 'ok', subject: account.id, proofs, ...(type === 'enough' && { headers: known(account.email, request) }) }
    },

    async secondFactor({ subject, code, request }) {
      const account = await active(subject)
      if (account === undefined) return { type: 'refused' }
      const typed = code.replaceAll(/\s/g, '')
      // An authenticator shows digits; a code on paper is longer than they are.
      const device = deviceOf(devices, request, account)
      const result = await (typed.length > 8 ? recovery : totp).verify(subject, typed, { request, device })
      if (!result.ok) return refusal(result, subject, 'code', request)
      return { type: 'ok', proofs: [result.proof], headers: known(account.email, request) }
    },

    ...(passkeysWork && { passkeys: passkeysPort }),

    async find(subject) {
      const account = await active(subject)
      if (account === undefined) return undefined
      const { tenant, role, name, email } = account
      const claims = { name, email, email_verified: true, preferred_username: email }
      return { subject, tenant, roles: [role], claims }
    },

    decide,
  }
}
