import {
  type Clock,
  type Continue,
  type Decision,
  type Guard,
  type HeaderList,
  problem,
  type Refusal,
  type RequestView,
  systemClock,
} from '@portcullis/core'
import { RateLimitError } from './errors.ts'
import { limitRefused } from './events.ts'
import { rateLimitFields, retryAfterSeconds } from './headers.ts'
import type { LimitKey } from './key.ts'
import { createMemoryRateLimitStore } from './memory-store.ts'
import { checkCost, type Policy, type ScopedPolicy, scopePolicies } from './policy.ts'
import { type WhenUnavailable, withStandIn } from './stand-in.ts'
import type { RateLimitResult, RateLimitStore, RateLimitVerdict } from './store.ts'

/** Options of {@link limit}. */
export interface LimitOptions {
  /** All must allow a request; what one refuses charges none. */
  readonly policies: readonly Policy[]
  /** Whom a request counts for: `byAddress()`, `byPrincipal()`, or a function. */
  readonly key: LimitKey
  /**
   * Names this limiter among those that share its store, `limit` by default. Limiters named alike, with policies named alike, count
   * together: three routes can share one budget.
   */
  readonly name?: string
  /** Where it is counted; by default in this process, in a store of its own. */
  readonly store?: RateLimitStore
  /**
   * What happens while the store can't be asked. `local`, the default: this process counts by itself, up to its share of the limit, and
   * facts say `degraded`. `closed`: the guard throws, and the request is answered 503. `open`: everything passes.
   */
  readonly whenUnavailable?: WhenUnavailable
  /** How many processes share the store: each one's share is that part of the limit. Default: 1. */
  readonly processes?: number
  /** Units that a request costs, 1 by default. */
  readonly cost?: number | ((req: RequestView) => number)
  /** For events, and for the store where none is given. */
  readonly clock?: Clock
  /** `ratelimit` (default): `RateLimit` and `RateLimit-Policy`. `none`: neither. A refusal has `Retry-After` either way. */
  readonly headers?: 'ratelimit' | 'none'
}

/** What is left, for the handler. */
export interface LimitFacts {
  /** Units left of the policy with the fewest. */
  readonly remaining: number
  /** Every policy's own result. */
  readonly results: readonly RateLimitResult[]
  /** Whether the request was counted in a bucket that it shares with others, or in this process alone. */
  readonly degraded: boolean
}

/**
 * Lets a request pass while every policy has units left for its key; answers 429 otherwise. Synchronous with a store that is.
 *
 * The refusal is `quota-exceeded` of draft-ietf-httpapi-ratelimit-headers-10 §5.1 with `violated-policies`, and a `Retry-After` that is
 * never early. A request without a key is not let through: the guard throws.
 *
 * @throws RateLimitError `rate_limit.policy_invalid`, `rate_limit.policy_conflict`, `rate_limit.options_invalid`,
 *   `rate_limit.cost_invalid` when declared; `rate_limit.key_missing`, `rate_limit.cost_invalid` at a request
 * @example limit({ policies: [{ name: 'burst', quota: 100, window: 60 }], key: byAddress() })
 */
export function limit(options: LimitOptions): Guard<LimitFacts> {
  const { clock = systemClock, key, cost = 1, headers = 'ratelimit', whenUnavailable = 'local', processes = 1 } = options
  const store =
    options.store === undefined
      ? createMemoryRateLimitStore({ clock })
      : withStandIn(options.store, { mode: whenUnavailable, processes, clock })
  const policies = scopePolicies(options.name ?? 'limit', options.policies)
  const kind = key.kind ?? 'custom'
  checkDeclaredCost(cost, policies)
  store.declare?.(policies)

  const fields = headers === 'none' ? undefined : rateLimitFields(policies)
  const refuse = refusals()
  const count = policies.length
  const decide = (verdict: RateLimitVerdict, req: RequestView): Decision<LimitFacts> => {
    const lines = fields?.of(verdict)
    if (verdict.allowed) return pass(verdict, lines)
    if (limitRefused.observed) {
      limitRefused.publish({ policies: refusedBy(verdict), keyKind: kind, degraded: verdict.degraded }, { request: req, clock })
    }
    return refuse(verdict, lines)
  }

  return function limit(req) {
    const value = key(req)
    if (value === undefined || value === '') {
      throw new RateLimitError('rate_limit.key_missing', `a request has no ${kind} key to count it by`)
    }
    const keys = count === 1 ? [value] : new Array<string>(count).fill(value)
    const verdict = store.consume(keys, policies, typeof cost === 'number' ? cost : cost(req))
    return verdict instanceof Promise ? verdict.then((settled) => decide(settled, req)) : decide(verdict, req)
  }
}

function pass(verdict: RateLimitVerdict, headers: HeaderList | undefined): Continue<LimitFacts> {
  const { results, degraded } = verdict
  let remaining = Number.POSITIVE_INFINITY
  for (const result of results) if (result.remaining < remaining) remaining = result.remaining
  const facts = { remaining, results, degraded }
  return headers === undefined ? { type: 'continue', facts } : { type: 'continue', facts, headers }
}

/** Builds refusals. A flood is refused often and in few ways, so the body for each set of policies is made once. */
function refusals(): (verdict: RateLimitVerdict, headers: HeaderList | undefined) => Refusal {
  const known = new Map<string, Refusal>()
  return (verdict, headers = []) => {
    const violated = refusedBy(verdict)
    const id = violated.join()
    let made = known.get(id)
    if (made === undefined) {
      made = refusal(violated)
      known.set(id, made)
    }
    const seconds = retryAfterSeconds(verdict)
    const retry: HeaderList = seconds === undefined ? [] : [['Retry-After', String(seconds)]]
    return { ...made, reply: { ...made.reply, headers: [...(made.reply.headers ?? []), ...headers, ...retry] } }
  }
}

function refusal(violated: readonly string[]): Refusal {
  return {
    type: 'reply',
    reply: problem({
      status: 429,
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Request cannot be satisfied as assigned quota has been exceeded',
      'violated-policies': violated,
    }),
    cause: { code: 'rate_limit.quota_exceeded', message: `refused by ${violated.join(', ')}` },
  }
}

function refusedBy({ results }: RateLimitVerdict): string[] {
  return results.filter((result) => !result.allowed).map((result) => result.policy)
}

function checkDeclaredCost(cost: LimitOptions['cost'], policies: readonly ScopedPolicy[]): void {
  if (typeof cost !== 'number') return
  checkCost(cost)
  const narrow = policies.find((policy) => cost > policy.burst)
  if (narrow !== undefined) {
    throw new RateLimitError(
      'rate_limit.cost_invalid',
      `a cost of ${cost} never passes ${narrow.name}, whose burst is ${narrow.burst}`,
    )
  }
}
