import { type Clock, PortcullisError } from '@portcullis/core'
import { RateLimitError } from './errors.ts'
import { createMemoryRateLimitStore } from './memory-store.ts'
import { meterOf } from './meter.ts'
import type { ScopedPolicy } from './policy.ts'
import type { RateLimitStore, RateLimitVerdict } from './store.ts'
import { untouched, verdictOf } from './verdict.ts'

/**
 * What a limit does while its store can't be asked: counts in this process, up to its share (`local`), lets everything pass (`open`), or
 * nothing (`closed`).
 */
export type WhenUnavailable = 'local' | 'open' | 'closed'

/** Options of {@link withStandIn}. */
export interface StandInOptions {
  readonly mode: WhenUnavailable
  /** How many processes share the store. */
  readonly processes: number
  readonly clock: Clock
}

const LONGEST_WINDOW = 366 * 86_400

/**
 * A store that is answered for while it can't be asked: while it throws errors of status 503. Verdicts of that time are `degraded`.
 * @throws RateLimitError `rate_limit.options_invalid`
 */
export function withStandIn(store: RateLimitStore, { mode, processes, clock }: StandInOptions): RateLimitStore {
  if (!Number.isInteger(processes) || processes < 1 || processes > 10_000) {
    throw new RateLimitError('rate_limit.options_invalid', 'processes is a whole number from 1 to 10,000')
  }
  if (mode === 'closed') return store
  const local = createMemoryRateLimitStore({ clock })
  const shares = new WeakMap<readonly ScopedPolicy[], readonly ScopedPolicy[]>()
  /** What was charged here has to be settled here. */
  const own = new WeakSet<RateLimitVerdict>()

  const shareOf = (policies: readonly ScopedPolicy[]): readonly ScopedPolicy[] => {
    const made = shares.get(policies) ?? Object.freeze(policies.map((policy) => share(policy, processes)))
    shares.set(policies, made)
    return made
  }

  const count = (keys: readonly string[], policies: readonly ScopedPolicy[], cost: number): RateLimitVerdict => {
    const mine = shareOf(policies)
    // What the whole limit would let pass must not be more than a share can ever hold.
    const units = Math.min(cost, ...mine.map(({ burst }) => burst))
    return { ...local.consume(keys, mine, units), degraded: true }
  }

  const answer = (keys: readonly string[], policies: readonly ScopedPolicy[], cost: number): RateLimitVerdict => {
    const verdict =
      mode === 'open'
        ? verdictOf(
            policies.map((policy) => untouched(policy, meterOf(policy))),
            clock.now(),
            0,
            true,
          )
        : count(keys, policies, cost)
    own.add(verdict)
    return verdict
  }

  return {
    ...(store.declare && { declare: (policies: readonly ScopedPolicy[]) => store.declare?.(policies) }),
    consume(keys, policies, cost) {
      return whenOut(
        () => store.consume(keys, policies, cost),
        () => answer(keys, policies, cost),
      )
    },
    adjust(keys, policies, units, reserved) {
      if (reserved === undefined || !own.has(reserved)) return store.adjust(keys, policies, units, reserved)
      if (mode === 'local') local.adjust(keys, shareOf(policies), units, reserved)
    },
  }
}

function whenOut<T>(ask: () => T | Promise<T>, otherwise: () => T): T | Promise<T> {
  const recover = (error: unknown): T => {
    if (error instanceof PortcullisError && error.status === 503) return otherwise()
    throw error
  }
  try {
    const answer = ask()
    return answer instanceof Promise ? answer.catch(recover) : answer
  } catch (error) {
    return recover(error)
  }
}

/**
 * A rate: the same quota in a window that is as many times longer, so that no quota is rounded to nothing. A quota of windows: its part, and
 * at least 1, in a window that is as much longer; never shorter, or all together would grant more in the window that was declared. Of a
 * calendar's period, its part, and at least 1.
 */
function share(policy: ScopedPolicy, processes: number): ScopedPolicy {
  const { algorithm, quota, window } = policy
  const burst = Math.max(1, Math.floor(policy.burst / processes))
  if (algorithm === 'gcra') return Object.freeze({ ...policy, burst, window: Math.min(window * processes, LONGEST_WINDOW) })
  if (algorithm === 'calendar') return Object.freeze({ ...policy, quota: burst, burst })
  const longer = Math.ceil((window * 1000 * burst * processes) / quota) / 1000
  return Object.freeze({ ...policy, quota: burst, burst, window: Math.min(Math.max(window, longer), LONGEST_WINDOW) })
}
