import { createHash, randomBytes } from 'node:crypto'
import { type Clock, type Collection, type Reason, type Store, systemClock } from '@portcullis/core'
import { PasswordError } from './errors.ts'
import { tokenRefused } from './events.ts'

/** Options of {@link createAccountTokens}. */
export interface AccountTokensOptions {
  readonly store: Store
  /** What its tokens are for, `reset` for example: a token of one purpose is nothing to another. `/^[a-z][a-z0-9_-]{0,39}$/`. */
  readonly purpose: string
  /** How long a token lives, in seconds. */
  readonly lifetime: number
  /** How many live tokens an account may have. Default: 3. */
  readonly maxLive?: number
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/** A token that was made. */
export interface IssuedToken {
  /** 256 random bits in 43 characters: for the account's owner alone. What is stored is its SHA-256. */
  readonly token: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** Why a token is not good: for the log; the client is told one text for all of them. */
export type TokenRefusalCode = 'password.token_unknown' | 'password.token_stale'

/** A token that is not good. */
export interface TokenRefusal extends Reason {
  readonly code: TokenRefusalCode
}

/** Whether a token is good, and whose. */
type TokenVerdict = { readonly ok: true; readonly account: string } | { readonly ok: false; readonly reason: TokenRefusal }

/** One-time tokens that are sent to an account's owner (ASVS 6.4.1). */
export interface AccountTokens {
  /**
   * @param account as the application names it
   * @param state what a token is void without: a fingerprint of the password hash and the e-mail address, for example
   * @returns `undefined` when as many tokens live already as may
   */
  issue(account: string, state: string): Promise<IssuedToken | undefined>
  /**
   * Looks at a token and leaves it as it is: for the page with the form, which mail scanners open too.
   * @param stateOf the account's state now; `undefined` when there is no such account
   */
  peek(token: string, stateOf: (account: string) => Promise<string | undefined>): Promise<TokenVerdict>
  /** Uses a token up: of any number of callers, one gets `ok`. A token that turns out stale is used up too. */
  redeem(token: string, stateOf: (account: string) => Promise<string | undefined>): Promise<TokenVerdict>
}

type StoredToken = {
  readonly purpose: string
  readonly account: string
  /** SHA-256 of the state. */
  readonly state: string
  readonly slot: string
}

const form = /^[\w-]{43}$/

const messages: Readonly<Record<TokenRefusalCode, string>> = {
  'password.token_unknown': 'the token was used, is out of time, or never was',
  'password.token_stale': 'the account has changed since the token was made',
}

/** @throws PasswordError `password.options_invalid` */
export function createAccountTokens(options: AccountTokensOptions): AccountTokens {
  const { store, purpose, lifetime, maxLive = 3, clock = systemClock } = options
  const numbers = [lifetime, maxLive]
  if (!/^[a-z][a-z0-9_-]{0,39}$/.test(purpose) || !numbers.every((n) => Number.isSafeInteger(n) && n >= 1) || maxLive > 100) {
    throw new PasswordError('password.options_invalid', 'purpose must be a word, lifetime at least 1 second, maxLive 1 to 100')
  }
  const tokens: Collection<StoredToken> = store.collection({ name: 'password.account_tokens' })
  // One entry for each live token an account may have: `create` gives each to one caller, so that no race makes more of them.
  const slots: Collection<string> = store.collection({ name: 'password.account_token_slots' })

  const idOf = (token: string): string => digest(`${purpose}\0${token}`)

  function refuse(code: TokenRefusalCode): TokenVerdict {
    tokenRefused.publish({ purpose, code }, { clock })
    return { ok: false, reason: { code, message: messages[code] } }
  }

  async function judge(
    found: StoredToken | undefined,
    stateOf: (account: string) => Promise<string | undefined>,
  ): Promise<TokenVerdict> {
    if (found === undefined) return refuse('password.token_unknown')
    const state = await stateOf(found.account)
    if (state === undefined || digest(state) !== found.state) return refuse('password.token_stale')
    return { ok: true, account: found.account }
  }

  async function take(token: string): Promise<StoredToken | undefined> {
    const found = form.test(token) ? await tokens.take(idOf(token)) : undefined
    if (found !== undefined) await slots.remove(found.slot)
    return found
  }

  return {
    async issue(account, state) {
      const token = randomBytes(32).toString('base64url')
      const expiresAt = clock.now() + lifetime * 1000
      for (let number = 0; number < maxLive; number++) {
        const slot = digest(`${purpose}\0${number}\0${account}`)
        if (!(await slots.create(slot, '', { expiresAt }))) continue
        await tokens.create(idOf(token), { purpose, account, state: digest(state), slot }, { expiresAt })
        return { token, expiresAt }
      }
      return undefined
    },

    async peek(token, stateOf) {
      const found = form.test(token) ? await tokens.get(idOf(token)) : undefined
      return judge(found?.value, stateOf)
    },

    redeem: async (token, stateOf) => judge(await take(token), stateOf),
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
