import { type Clock, guardFailedEvent, PortcullisError, type RequestView } from '@portcullis/core'
import { limitWouldRefuse } from './events.ts'
import type { ScopedPolicy } from './policy.ts'
import type { Charge, MadeCharge } from './settlement.ts'
import type { RateLimitStore, RateLimitVerdict } from './store.ts'

/** Counts a request in policies that only watch. */
export interface Shadows {
  /** Asks each by itself. Nobody waits for a store that answers later, and no error of it is anybody's. */
  count(req: RequestView, key: string, cost: number, policies: readonly (readonly ScopedPolicy[])[]): readonly Charge[]
}

/** @param limiter its name @param keyKind the sort of key */
export function shadows(store: RateLimitStore, limiter: string, keyKind: string, clock: Clock): Shadows {
  const told = (req: RequestView, key: string, policies: readonly ScopedPolicy[], verdict: RateLimitVerdict) => {
    if (verdict.allowed) return { store, key, policies, verdict } satisfies MadeCharge
    const names = policies.map(({ name }) => name)
    limitWouldRefuse.publish({ limiter, policies: names, keyKind }, { request: req, clock })
    return undefined
  }
  return {
    count(req, key, cost, policies) {
      return policies.map((policy) => {
        const failed = (error: unknown): undefined => report(req, limiter, error)
        try {
          const verdict = store.consume([key], policy, cost)
          return verdict instanceof Promise
            ? verdict.then((late) => told(req, key, policy, late)).catch(failed)
            : told(req, key, policy, verdict)
        } catch (error) {
          return failed(error)
        }
      })
    },
  }
}

/** Says that something of a limit failed which no request is refused for. What is down for a while is said by the store itself. */
export function report(request: RequestView, limiter: string, error: unknown): undefined {
  if (error instanceof PortcullisError && error.status === 503) return undefined
  guardFailedEvent.publish(
    {
      guard: `limit ${limiter}`,
      route: request.route?.pattern,
      error: error instanceof Error ? error.name : typeof error,
      code: error instanceof PortcullisError ? error.code : undefined,
    },
    { request },
  )
  return undefined
}
