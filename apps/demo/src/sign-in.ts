import { defineEvent, type EventType } from '@portcullis/core'
import type { Totp } from '@portcullis/mfa'
import type { Accounts as AccountsPort } from '@portcullis/oauth'
import type { Passwords } from '@portcullis/password'
import type { BruteForceGuard } from '@portcullis/rate-limit'
import { type Accounts, canonicalEmail } from './accounts.ts'

/** A secret of an account that exists was wrong. Only its own tenant's owners read it; whoever guessed is told what all are told. */
const signInFailedEvent: EventType<'ledger.sign_in_failed', { readonly subject: string; readonly factor: 'password' | 'code' }> =
  defineEvent('ledger.sign_in_failed')

/** The ways to prove who one is. Every one is paid for before the secret is looked at. */
export type SignIn = Pick<AccountsPort, 'authenticate' | 'secondFactor'>

export function createSignIn(parts: {
  readonly accounts: Accounts
  readonly passwords: Passwords
  readonly totp: Totp
  readonly passwordGuesses: BruteForceGuard
}): SignIn {
  const { accounts, passwords, totp, passwordGuesses } = parts
  return {
    async authenticate({ username, password, request }) {
      // An empty name is nobody's: it is counted like any other that does not exist.
      const name = canonicalEmail(username) || '-'
      const attempt = await passwordGuesses.attempt({ account: name, address: request.client.ip }, { request })
      if (!attempt.allowed) return { type: 'limited', retryAfter: attempt.retryAfter }
      const account = await accounts.findByEmail(name)
      const result = await passwords.verify(password, account?.passwordHash)
      if (!result.ok && result.retryAfter !== undefined) {
        // Nothing was checked, so nothing was guessed.
        await attempt.settle('success')
        return { type: 'limited', retryAfter: result.retryAfter }
      }
      // A disabled account takes as long as any other, and is told the same.
      const right = result.ok && account !== undefined && !account.disabled
      await attempt.settle(right ? 'success' : 'failure')
      if (!right) {
        if (account !== undefined) signInFailedEvent.publish({ subject: account.id, factor: 'password' }, { request })
        return { type: 'refused' }
      }
      if (result.rehash !== undefined) await accounts.rehash(account, result.rehash)
      return { type: 'ok', subject: account.id }
    },
    async secondFactor({ subject, code, request }) {
      const account = await accounts.find(subject)
      if (account === undefined || account.disabled) return { type: 'refused' }
      const result = await totp.verify(subject, code.replaceAll(/\s/g, ''), { request })
      if (result.ok) return { type: 'ok' }
      signInFailedEvent.publish({ subject, factor: 'code' }, { request })
      return result.retryAfter === undefined ? { type: 'refused' } : { type: 'limited', retryAfter: result.retryAfter }
    },
  }
}

/** People as the authorization server sees them. */
export function accountsOf(parts: { readonly accounts: Accounts; readonly totp: Totp; readonly signIn: SignIn }): AccountsPort {
  const { accounts, totp, signIn } = parts
  return {
    ...signIn,
    async find(subject) {
      const account = await accounts.find(subject)
      if (account === undefined || account.disabled) return undefined
      const { tenant, role, name, email } = account
      return {
        subject,
        tenant,
        roles: [role],
        secondFactor: await totp.enrolled(subject),
        claims: { name, email, email_verified: true, preferred_username: email },
      }
    },
  }
}
