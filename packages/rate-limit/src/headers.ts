import type { HeaderList } from '@portcullis/core'
import { serializeItem, serializeList } from 'structured-headers'
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
export function rateLimitFields(policies: readonly ScopedPolicy[]): RateLimitFields {
  const declared = serializeList(
    policies.map(({ name, quota, window }) => [
      name,
      // §3.1.3: whole seconds. A window of 0.5 s is announced as 1 s: never more than the truth.
      new Map([
        ['q', quota],
        ['w', Math.ceil(window)],
      ]),
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
// that no client reads a higher rate than the policy's from r and t (§6, §8.5).
function resetSeconds(result: RateLimitResult, policy: ScopedPolicy, at: number): number {
  if (result.allowed && result.remaining > 0) return Math.ceil((result.remaining * policy.window) / policy.quota)
  // A cost beyond the burst never passes; what there is to say is when the bucket is full.
  return secondsUntil(result.retryAt === Number.POSITIVE_INFINITY ? result.resetAt : result.retryAt, at)
}

function secondsUntil(moment: number, at: number): number {
  return Math.max(0, Math.ceil((moment - at) / 1000))
}
