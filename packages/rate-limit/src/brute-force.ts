import { type Clock, type EventContext, PortcullisError, systemClock } from '@portcullis/core'
import { addressPrefix } from './address.ts'
import { RateLimitError } from './errors.ts'
import { guessRefused } from './events.ts'
import { retryAfterSeconds } from './headers.ts'
import { checkPrefix } from './key.ts'
import { createMemoryRateLimitStore } from './memory-store.ts'
import { type Policy, type ScopedPolicy, scopePolicies } from './policy.ts'
import type { RateLimitStore, RateLimitVerdict } from './store.ts'

/** Options of {@link createBruteForceGuard}. */
export interface BruteForceOptions {
  /** Names this guard among those that share its store and in events: `sign-in` by default. */
  readonly name?: string
  /** Where attempts are counted; by default in this process, in a store of its own. */
  readonly store?: RateLimitStore
  /** For events, and for the store where none is given. */
  readonly clock?: Clock
  /** Guesses at one account from one address: 10 in 15 minutes by default. */
  readonly pair?: readonly Policy[]
  /** Guesses at one account from everywhere: 100 an hour by default. Wider than `pair`, so that no single address locks an account. */
  readonly account?: readonly Policy[]
  /** Attempts from one address at all accounts, the right ones included: 200 in 15 minutes by default. */
  readonly address?: readonly Policy[]
  /** Bits of an IPv6 address that count, 64 by default, from 32 to 128. */
  readonly ipv6Prefix?: number
}

/** Whose secret is guessed at, and from where. */
export interface Identity {
  /** The identifier as typed in, whether or not there is such an account. It is canonicalised: NFKC, letter case, white space. */
  readonly account: string
  /** The client's address: `req.client.ip`. */
  readonly address: string | undefined
}

/** What {@link BruteForceGuard.attempt} answers. */
export type Attempt = AllowedAttempt | RefusedAttempt

/** Check the secret now, then say how it went. */
export interface AllowedAttempt {
  readonly allowed: true
  /**
   * Says whether the secret was right; the first call counts. `success` gives back what this attempt took from the account and from
   * the pair, and nothing of what other attempts took, nor anything to the address. `failure`, or no call at all, keeps it.
   */
  settle(outcome: 'success' | 'failure'): Promise<void>
}

/** Answer without checking the secret. */
export interface RefusedAttempt {
  readonly allowed: false
  /** Whole seconds, rounded up. */
  readonly retryAfter: number
}

/** Stands before the check of a secret: a password, a one-time code, a recovery code. */
export interface BruteForceGuard {
  /**
   * Takes one attempt from the account, from the address, and from their pair, or, when one of them has none left, from none.
   * @throws RateLimitError `rate_limit.key_missing`: no address or none that is well-formed (500), or an empty identifier (400); whatever
   *   the store throws: while it is down, no attempt is allowed
   * @example
   * const attempt = await guard.attempt({ account: form.email, address: req.client.ip }, { request: req })
   * if (!attempt.allowed) return tooMany(attempt.retryAfter)
   * const right = await verify(form.password)
   * await attempt.settle(right ? 'success' : 'failure')
   */
  attempt(identity: Identity, context?: EventContext): Promise<Attempt>
}

/**
 * Limits guessing. An attempt is paid for **before** the secret is checked: of a thousand guesses sent at once no more reach the secret
 * than the limit says, where counting after the check would let them all.
 * @throws RateLimitError `rate_limit.policy_invalid` (also when `account` is not wider than `pair`), `rate_limit.policy_conflict`,
 *   `rate_limit.options_invalid`
 */
export function createBruteForceGuard(options: BruteForceOptions = {}): BruteForceGuard {
  const { name = 'sign-in', clock = systemClock, store = createMemoryRateLimitStore({ clock }) } = options
  const ipv6Prefix = checkPrefix(options.ipv6Prefix)
  const account = scopePolicies(`${name}:account`, options.account ?? [{ name: 'hourly', quota: 100, window: 3600 }], name)
  const pair = scopePolicies(`${name}:pair`, options.pair ?? [{ name: 'quarter', quota: 10, window: 900 }], name)
  const address = scopePolicies(`${name}:address`, options.address ?? [{ name: 'quarter', quota: 200, window: 900 }], name)
  requireWider(account, pair)
  const refundable = Object.freeze([...account, ...pair])
  const policies = Object.freeze([...refundable, ...address])
  store.declare?.(policies)

  return {
    async attempt(identity, context = {}) {
      const who = canonical(identity.account)
      const from = identity.address === undefined ? undefined : addressPrefix(identity.address, ipv6Prefix)
      if (from === undefined) throw missing('address', 500)
      if (who === '') throw missing('account', 400)
      // An address holds no space: no account can be spelled so that its pair is another's.
      const both = `${from} ${who}`
      const keys = [...account.map(() => who), ...pair.map(() => both), ...address.map(() => from)]

      const verdict = await store.consume(keys, policies, 1)
      if (verdict.allowed) return reserved(store, keys.slice(0, refundable.length), refundable, verdict)
      const retryAfter = retryAfterSeconds(verdict) ?? 0
      const refused = policies.filter((_, i) => verdict.results[i]?.allowed === false)
      guessRefused.publish(
        { guard: name, policies: refused.map(({ scope }) => scope.slice(name.length + 1)), retryAfter },
        { clock, ...context },
      )
      return { allowed: false, retryAfter }
    },
  }
}

function reserved(
  store: RateLimitStore,
  keys: readonly string[],
  refundable: readonly ScopedPolicy[],
  verdict: RateLimitVerdict,
): AllowedAttempt {
  let settled = false
  return {
    allowed: true,
    async settle(outcome) {
      if (settled) return
      settled = true
      if (outcome !== 'success') return
      try {
        await store.adjust(keys, refundable, -1, verdict)
      } catch (error) {
        // The store is down: the attempt stays counted until time gives it back, and whoever knew the secret is not turned away for it.
        if (!(error instanceof PortcullisError && error.status === 503)) throw error
      }
    },
  }
}

// Letters that look or compare alike must not be separate budgets: U+FF41 for `a` (NFKC), `ß` for `SS` (case), white space and
// characters that show nothing. Merging too much costs a shared budget; merging too little is a way around the limit.
function canonical(account: string): string {
  return account
    .normalize('NFKC')
    .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC')
    .trim()
}

// Who is refused at a pair is one address; who is refused at an account is its owner. So one address must meet the pair's limit first.
function requireWider(account: readonly ScopedPolicy[], pair: readonly ScopedPolicy[]): void {
  for (const wide of account) {
    const held = pair.some((narrow) => narrow.burst < wide.burst && narrow.quota / narrow.window < wide.quota / wide.window)
    if (held) continue
    throw new RateLimitError(
      'rate_limit.policy_invalid',
      `account policy ${wide.name} is not wider than any pair policy: one address could lock the account`,
    )
  }
}

function missing(what: string, status: number): RateLimitError {
  return new RateLimitError('rate_limit.key_missing', `an attempt has no ${what} to count it by`, { status })
}
