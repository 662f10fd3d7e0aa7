import type { Clock, Guard, RequestView } from '@portcullis/core'
import type { AddressList } from './address-list.ts'
import type { Explanation } from './explain.ts'
import type { LimitHeaders } from './headers.ts'
import type { LimitKey } from './key.ts'
import type { LimitPolicy, Plans } from './plans.ts'
import type { ActualCost } from './settlement.ts'
import type { WhenUnavailable } from './stand-in.ts'
import type { Steering } from './steering.ts'
import type { RateLimitResult, RateLimitStore } from './store.ts'

/** Options of `limit`. */
export interface LimitOptions {
  /** All must allow a request; what one refuses charges none. Or {@link Plans}: a request's own. */
  readonly policies: readonly LimitPolicy[] | Plans
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
  /** Units that a request costs, 1 by default; where `actual` is given, an estimate. */
  readonly cost?: number | ((req: RequestView) => number)
  /** What it turned out to cost: the difference is charged, or given back, when the request has ended. */
  readonly actual?: ActualCost
  /** From where requests pass uncounted. Addresses are those that the trusted proxies tell. */
  readonly allow?: AddressList
  /** From where requests are answered 403; before `allow`. */
  readonly deny?: AddressList
  /** For events, and for the store where none is given. */
  readonly clock?: Clock
  /**
   * `ratelimit` (default): `RateLimit` and `RateLimit-Policy`. `legacy`: `X-RateLimit-Limit`, `-Remaining` and `-Reset`, in epoch seconds.
   * `both`. `none`. A refusal has `Retry-After` in any case.
   */
  readonly headers?: LimitHeaders
}

/** What is left, for the handler. */
export interface LimitFacts {
  /** Units left of the policy with the fewest; `Infinity` where none was asked. */
  readonly remaining: number
  /** Every policy's own result, without the shadows. */
  readonly results: readonly RateLimitResult[]
  /** Whether the request was counted in a bucket that it shares with others, or in this process alone. */
  readonly degraded: boolean
  /** The request's plan, where there are several. */
  readonly plan?: string
  /** Whether it passed uncounted. */
  readonly listed?: 'allow'
  /**
   * Says what the request cost, in whole units; the last word counts, and it is settled when the request has ended.
   * @throws RateLimitError `rate_limit.cost_invalid`; `rate_limit.options_invalid` where the limit was declared without `actual`
   */
  spent(units: number): void
}

/** A limit: a guard, and what can be done to a key besides. */
export interface LimitGuard extends Guard<LimitFacts>, Steering {
  /**
   * What the limit would say to a request now, policy by policy, without counting it.
   * @throws what the guard throws for the same request; `rate_limit.key_missing` in shadow mode, too
   */
  explain(req: RequestView): Promise<Explanation>
}
