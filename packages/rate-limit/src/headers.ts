import type { HeaderList } from '@portcullis/core'
import { serializeItem, serializeList } from 'structured-headers'
import { RateLimitError } from './errors.ts'
import type { ScopedPolicy } from './policy.ts'
import type { RateLimitResult, RateLimitVerdict } from './store.ts'

/** Writes the fields of draft-ietf-httpapi-ratelimit-headers-10 for one list of policies. */
export interface RateLimitFields {
  /** `RateLimit-Policy` and `RateLimit`. */
  of(verdict: RateLimitVerdict): HeaderList
}

/**
 * `RateLimit-Policy` never changes, so it is serialised here, once; of `RateLimit` only the two integers are left for the request.
 */
function rateLimitFields(policies: readonly ScopedPolicy[]): RateLimitFields {
  const declared = serializeList(
    policies.map(({ name, quota, window, algorithm }) => [
      name,
      // §3.1.3: whole seconds. A window of 0.5 s is announced as 1 s: never more than the truth. A month has no number of seconds.
      new Map(
        algorithm === 'calendar'
          ? [['q', quota]]
          : [
              ['q', quota],
              ['w', Math.ceil(window)],
            ],
      ),
    ]),
  )
  const policyLine = ['RateLimit-Policy', declared] as const
  const items = policies.map(({ name }) => `${serializeItem(name, new Map())};r=`)
  return {
    of(verdict) {
      const i = mostConstrained(verdict)
      const result = verdict.results[i]
      const policy = policies[i]
      if (result === undefined || policy === undefined) return [policyLine]
      const line = `${items[i]}${result.remaining};t=${resetSeconds(result, policy, verdict.at)}`
      return [policyLine, ['RateLimit', line]]
    },
  }
}

/** What a limit says in its headers: see `LimitOptions.headers`. */
export type LimitHeaders = 'ratelimit' | 'legacy' | 'both' | 'none'

/** What writes the headers that were asked for; `undefined`: none. @throws RateLimitError `rate_limit.options_invalid` */
export function limitFields(policies: readonly ScopedPolicy[], headers: LimitHeaders): RateLimitFields | undefined {
  // From JavaScript, a word misspelled would be silence.
  if (!['ratelimit', 'legacy', 'both', 'none'].includes(headers)) {
    throw new RateLimitError('rate_limit.options_invalid', 'headers is ratelimit, legacy, both or none')
  }
  if (headers === 'none' || policies.length === 0) return undefined
  const legacy = headers === 'ratelimit' ? undefined : legacyFields(policies)
  const current = headers === 'legacy' ? undefined : rateLimitFields(policies)
  if (legacy === undefined || current === undefined) return legacy ?? current
  return { of: (verdict) => [...current.of(verdict), ...legacy.of(verdict)] }
}

/**
 * `X-RateLimit-*`, which no document defines, as most APIs send it: of the policy closest to being exhausted, what may be used at once,
 * what is left of it, and the epoch second at which there is more: on a refusal, at which the request passes. Two limits on one route
 * can't both be told: the later one is.
 */
function legacyFields(policies: readonly ScopedPolicy[]): RateLimitFields {
  return {
    of(verdict) {
      const i = mostConstrained(verdict)
      const result = verdict.results[i]
      const policy = policies[i]
      if (result === undefined || policy === undefined) return []
      const waits = !result.allowed && result.retryAt !== Number.POSITIVE_INFINITY
      return [
        ['X-RateLimit-Limit', String(policy.burst)],
        ['X-RateLimit-Remaining', String(result.remaining)],
        ['X-RateLimit-Reset', String(Math.ceil((waits ? result.retryAt : result.resetAt) / 1000))],
      ]
    },
  }
}

/** Whole seconds until every policy that refused would let the same request pass, rounded up; `undefined`: none ever will. */
export function retryAfterSeconds(verdict: RateLimitVerdict): number | undefined {
  let latest = verdict.at
  for (const result of verdict.results) if (!result.allowed) latest = Math.max(latest, result.retryAt)
  return latest === Number.POSITIVE_INFINITY ? undefined : secondsUntil(latest, verdict.at)
}

// Appendix B.1.2, B.3.2: of several policies, the item is of the one closest to being exhausted; on a refusal, of the one that
// refuses longest, so that Retry-After is not before its `t` (§6).
function mostConstrained({ results }: RateLimitVerdict): number {
  let most = 0
  for (let i = 1; i < results.length; i++) {
    const [a, b] = [results[most], results[i]]
    if (a !== undefined && b !== undefined && isTighter(b, a)) most = i
  }
  return most
}

function isTighter(a: RateLimitResult, b: RateLimitResult): boolean {
  if (a.allowed !== b.allowed) return !a.allowed
  if (!a.allowed || a.remaining === b.remaining) return a.retryAt > b.retryAt
  return a.remaining < b.remaining
}

// §4.1.2: seconds until there is more. While there is something left it is the time over which what is left is meant to be spent, so
// that no client reads a higher rate than the policy's from r and t (§6, §8.5). What is left of a window that ends for all of its units
// at once is meant for the rest of it.
function resetSeconds(result: RateLimitResult, policy: ScopedPolicy, at: number): number {
  const ends = policy.algorithm === 'fixed' || policy.algorithm === 'calendar'
  if (ends && result.resetAt > at) return secondsUntil(result.resetAt, at)
  if (result.allowed && result.remaining > 0) return Math.ceil((result.remaining * policy.window) / policy.quota)
  // A cost beyond the burst never passes; what there is to say is when the bucket is full.
  return secondsUntil(result.retryAt === Number.POSITIVE_INFINITY ? result.resetAt : result.retryAt, at)
}

function secondsUntil(moment: number, at: number): number {
  return Math.max(0, Math.ceil((moment - at) / 1000))
}
