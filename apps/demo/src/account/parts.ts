import type { Clock, Guard, Store } from '@portcullis/core'
import type { SignIn } from '@portcullis/oauth'
import type { PasswordPolicy, Passwords } from '@portcullis/password'
import type { Sessions } from '@portcullis/sessions'
import type { RefreshTokens } from '@portcullis/tokens'
import type { Accounts } from '../accounts.ts'
import type { Factors } from '../factors.ts'
import type { Guesses } from '../guesses.ts'
import type { Outbox } from '../mail.ts'

/** What the pages of an account are made of. */
export interface AccountParts {
  readonly store: Store
  readonly accounts: Accounts
  readonly factors: Factors
  readonly passwords: Passwords
  /** Rules for new passwords. */
  readonly policy: PasswordPolicy
  /** Those that stand before sign-ins: a guess there and a guess here are two of one account. */
  readonly guesses: Pick<Guesses, 'passwords' | 'resets' | 'devices'>
  /** Those of the authorization server. Their `ending` hook ends what came out of a session. */
  readonly sessions: Sessions<SignIn>
  readonly refreshTokens: Pick<RefreshTokens, 'endAll'>
  readonly outbox: Pick<Outbox, 'sendReset'>
  /** Before everything that is sent to these pages: a limit by address, at the least. */
  readonly guards: readonly Guard[]
  readonly clock: Clock
}
