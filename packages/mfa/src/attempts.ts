import { createHash } from 'node:crypto'
import { type AttemptContext, type AttemptGuard, type Clock, PortcullisError, type Store } from '@portcullis/core'
import { type FactorName, mfaRefused } from './events.ts'
import { change } from './record.ts'
import { type Refused, refused } from './refusal.ts'

/** Milliseconds that a budget takes to fill, and how many attempts it holds. */
const window = 900_000
const quota = 10
const increment = window / quota

type Budget = {
  /** GCRA's theoretical arrival time: milliseconds since the epoch. */
  readonly until: number
}

/**
 * The guard that a factor with guessable codes has when it is given none: ten attempts at once and one more every 90 seconds, for
 * each account. Kept in the factor's own store, so that all processes count together. It knows no addresses and no devices: who guesses
 * uses up the budget of the person he guesses at, which is why a guard that knows them is better.
 */
export function createAccountGuard(store: Store, factor: FactorName, clock: Clock): AttemptGuard {
  const budgets = store.collection<Budget>({ name: 'mfa.attempts', keep: 'hot' })
  return {
    async attempt({ account }) {
      const id = `${factor}:${createHash('sha256').update(account).digest('base64url')}`
      const now = clock.now()
      const retryAfter = await change<Budget, number>(budgets, id, (was) => {
        const lead = Math.max(0, (was?.value.until ?? 0) - now)
        if (lead + increment > window) return { result: Math.ceil((lead + increment - window) / 1000) }
        const until = now + lead + increment
        return { record: { until }, options: { expiresAt: until }, result: 0 }
      })
      if (retryAfter > 0) return { allowed: false, retryAfter }
      return {
        allowed: true,
        async settle(outcome) {
          if (outcome !== 'success') return
          await change<Budget, undefined>(budgets, id, (was) => {
            if (was === undefined) return { result: undefined }
            const until = was.value.until - increment
            return { record: { until }, options: { expiresAt: Math.max(until, clock.now()) }, result: undefined }
          })
        },
      }
    },
  }
}

/** Whose factor is tried, and what stands before it. */
export interface Attempted {
  readonly guard: AttemptGuard | undefined
  readonly account: string
  readonly factor: FactorName
  readonly clock: Clock
  readonly context: AttemptContext | undefined
}

/**
 * Reserve, check, settle. Of a thousand guesses sent at once no more reach the secret than the guard lets through, with a session
 * or without one.
 */
export async function attempting<T extends { readonly ok: boolean }>(
  { guard, account, factor, clock, context }: Attempted,
  check: () => Promise<T>,
): Promise<T | Refused<'mfa.too_many_attempts'>> {
  if (guard === undefined) return check()
  const attempt = await guard.attempt({ account, address: context?.request?.client.ip, device: context?.device }, context)
  if (!attempt.allowed) {
    const refusal = refused('mfa.too_many_attempts', attempt.retryAfter)
    mfaRefused.publish({ account, factor, code: refusal.reason.code }, { clock, ...context })
    return refusal
  }
  const result = await check()
  try {
    await attempt.settle(result.ok ? 'success' : 'failure')
  } catch (error) {
    // The store is down: the attempt stays counted until time gives it back, and whoever knew the secret is not turned away for it.
    if (!(error instanceof PortcullisError && error.status === 503)) throw error
  }
  return result
}
