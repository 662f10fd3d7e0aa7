import type { Decision, Guard, HeaderList, RequestView } from '@portcullis/core'
import { serializeList } from 'structured-headers'
import { type ConcurrencyAttempt, type ConcurrencyOptions, createConcurrencyLimit } from './concurrency.ts'
import { RateLimitError } from './errors.ts'
import { everybody, type LimitKey } from './key.ts'
import { quotaExceeded, reducedCapacity, retryAfter } from './refusal.ts'

/** Options of {@link limitConcurrency}. */
export interface LimitConcurrencyOptions extends Omit<ConcurrencyOptions, 'keyKind'> {
  /** Whom a request counts for: `byAddress()`, `byPrincipal()`, a function, or `everybody`. */
  readonly key: LimitKey
  /** `ratelimit` (default): `RateLimit-Policy` says how many may be under way. `none`: it is not said. */
  readonly headers?: 'ratelimit' | 'none'
}

/** What the handler may want to know of its seat. */
export interface ConcurrencyFacts {
  /** Whether the seat was given out by this process alone. */
  readonly degraded: boolean
  /** Aborts when the seat was lost: end work that must not be done twice at one time. */
  readonly signal: AbortSignal
}

/**
 * Lets a request pass while fewer than `max` of its key are under way. The seat comes back when the answer is out, the client has left,
 * or a later guard refused. Synchronous without a store.
 *
 * A refusal is 429 `quota-exceeded` for a key of the caller's own; for `everybody`, where the caller did nothing wrong, 503
 * `temporary-reduced-capacity`. Its `Retry-After` is an estimate: see `NoSeat.retryAfter`.
 *
 * @throws RateLimitError `rate_limit.options_invalid` when declared; `rate_limit.key_missing` at a request
 * @example limitConcurrency({ name: 'exports', max: 2, key: byPrincipal({ per: 'tenant' }), store, secret, wait: { queue: 10, timeout: 5 } })
 */
export function limitConcurrency(options: LimitConcurrencyOptions): Guard<ConcurrencyFacts> {
  const { key, headers = 'ratelimit', name = 'concurrency', max } = options
  const kind = key.kind ?? 'custom'
  const limit = createConcurrencyLimit({ ...options, keyKind: kind })
  const lines: HeaderList = headers === 'none' ? [] : [['RateLimit-Policy', policyField(name, max)]]

  const decide = (attempt: ConcurrencyAttempt): Decision<ConcurrencyFacts> => {
    if (attempt.acquired) return pass(attempt, lines)
    const more: HeaderList = [...lines, ...retryAfter(attempt.retryAfter)]
    const reply = kind === everybody.kind ? reducedCapacity(more) : quotaExceeded([name], more)
    return { type: 'reply', reply, cause: attempt.reason }
  }

  return function limitConcurrency(req: RequestView) {
    const value = key(req)
    if (value === undefined || value === '') {
      throw new RateLimitError('rate_limit.key_missing', `a request has no ${kind} key to count it by`)
    }
    const attempt = limit.acquire(value, { request: req, signal: req.signal })
    return attempt instanceof Promise ? attempt.then(decide) : decide(attempt)
  }
}

function pass(attempt: ConcurrencyAttempt & { acquired: true }, headers: HeaderList): Decision<ConcurrencyFacts> {
  const facts: ConcurrencyFacts = {
    degraded: attempt.degraded,
    get signal() {
      return attempt.signal
    },
  }
  return { type: 'continue', facts, headers, settle: () => void attempt.release() }
}

// draft-ietf-httpapi-ratelimit-headers-10 §3.1.2: a quota may be in concurrent requests. §3.1: `w` is optional, and they have no window.
function policyField(name: string, max: number): string {
  return serializeList([
    [
      name,
      new Map<string, number | string>([
        ['q', max],
        ['qu', 'concurrent-requests'],
      ]),
    ],
  ])
}
