import type { Clock } from '@portcullis/core'
import { RateLimitError } from './errors.ts'
import { ExhaustedTable } from './exhausted-table.ts'
import { requireSameNumbers, type ScopedPolicy } from './policy.ts'
import { shortKey } from './short-key.ts'
import type { RateLimitResult, RateLimitStore, RateLimitVerdict } from './store.ts'

/** Options of {@link rememberExhausted}. */
export interface RememberExhaustedOptions {
  /** The most keys that are remembered, over all policies: a whole number from 1 to 1,000,000. Default: 10,000. The one unused for longest goes. */
  readonly maxKeys?: number
  /**
   * Milliseconds after which the store is asked again though the key can't pass yet. Default: 1,000. So late may be noticed what another
   * process gave back, what an operator deleted, or a server's clock that was set ahead. `Infinity` where none of these matters.
   */
  readonly maxAge?: number
  /** For tests. Default: the machine's monotonic clock; only what passes on it counts. */
  readonly clock?: Clock
}

/** What a bucket had to say in a check that was refused. */
interface Memory {
  readonly policy: ScopedPolicy
  readonly cost: number
  readonly result: RateLimitResult
  /** The store's time of that check. */
  readonly at: number
  /** What the clock here showed when it was sent, and when it was answered: the store read its own somewhere between. */
  readonly asked: number
  readonly answered: number
}

const MONOTONIC: Clock = { now: () => performance.now() }

/**
 * A store that answers by itself, at once and without a trip, a check that is certain to be refused: one of the same buckets and the same
 * cost was, and the time at which it would pass has not come. Other charges only make that later.
 *
 * What is given back makes it earlier. Given back **through this store**, it is known at once. What another process gives back, or this one
 * past this store, may be noticed `maxAge` late: for so long somebody may be refused who would pass. A brute-force guard gives back what was
 * right; where a second matters to it, hand it the bare store.
 *
 * Time is the store's own: that of the refusal, and what has passed here since it was asked for, which is no less than what has passed
 * there. The last of it, as long as the round trip took, is asked for. Where both clocks run at different speeds, that adds up over `maxAge`.
 *
 * What is charged through this store ends a memory too: a check of another cost then waits for longer. What another process charges is told to
 * nobody here: for up to `maxAge`, `retryAt` may be that of before it, and whoever comes then is told once more.
 *
 * A check of cost 0 is always asked for. What a store said of a bucket that several keys share (`degraded`) is not remembered. What is left,
 * and results of policies that did not refuse, are those of the refusal.
 *
 * @throws RateLimitError `rate_limit.options_invalid`
 * @example const store = rememberExhausted(createRedisRateLimitStore({ client, secret }))
 */
export function rememberExhausted(store: RateLimitStore, options: RememberExhaustedOptions = {}): RateLimitStore {
  const { maxKeys = 10_000, maxAge = 1000, clock = MONOTONIC } = options
  if (!Number.isInteger(maxKeys) || maxKeys < 1 || maxKeys > 1_000_000) {
    throw invalid('maxKeys is a whole number from 1 to 1,000,000')
  }
  if (!(maxAge > 0)) throw invalid('maxAge is a number of milliseconds above 0')
  const table = new ExhaustedTable<Memory>(maxKeys)

  /** What is known of all buckets of a check, if it is of the same cost and young enough. */
  const recall = (
    keys: readonly string[],
    policies: readonly ScopedPolicy[],
    cost: number,
    now: number,
  ): Memory[] | undefined => {
    const memories: Memory[] = []
    for (const [i, policy] of policies.entries()) {
      const key = keys[i]
      const memory = key === undefined ? undefined : table.get(bucketOf(policy, key))
      if (memory === undefined || memory.cost !== cost || now - memory.asked >= maxAge) return undefined
      if (memory.policy !== policy) requireSameNumbers(memory.policy, policy)
      memories.push(memory)
    }
    return memories.some((memory) => refuses(memory, now)) ? memories : undefined
  }

  const forget = (keys: readonly string[], policies: readonly ScopedPolicy[]): void => {
    for (const [i, policy] of policies.entries()) table.forget(bucketOf(policy, keys[i] ?? ''))
  }

  return {
    ...(store.declare && { declare: (policies: readonly ScopedPolicy[]) => store.declare?.(policies) }),
    consume(keys, policies, cost) {
      const asked = clock.now()
      const known = recall(keys, policies, cost, asked)
      if (known !== undefined) return refusal(known, asked)
      const began = table.begin()
      const learn = (verdict: RateLimitVerdict | undefined): void => {
        if (verdict !== undefined && !verdict.allowed && !verdict.degraded && cost > 0) {
          const answered = clock.now()
          for (const [i, result] of verdict.results.entries()) {
            const [policy, key] = [policies[i], keys[i]]
            if (policy === undefined || key === undefined) continue
            table.set(bucketOf(policy, key), { policy, cost, result, at: verdict.at, asked, answered }, began)
          }
        }
        table.end()
        // What was charged makes others wait for longer than they were told.
        if (verdict?.allowed === true && cost > 0) forget(keys, policies)
      }
      return whenOver(() => store.consume(keys, policies, cost), learn)
    },
    adjust(keys, policies, units, reserved) {
      // For whoever does not wait for it; and, after it, what was learnt meanwhile of the time before it.
      forget(keys, policies)
      return whenOver(
        () => store.adjust(keys, policies, units, reserved),
        () => forget(keys, policies),
      )
    },
  }
}

/** Tells what came of a call, be it at once or later, before its caller knows. @param over without an argument where it threw */
function whenOver<T>(call: () => T | Promise<T>, over: (answer?: T) => void): T | Promise<T> {
  const failed = (error: unknown): never => {
    over()
    throw error
  }
  const answered = (answer: T): T => {
    over(answer)
    return answer
  }
  let answer: T | Promise<T>
  try {
    answer = call()
  } catch (error) {
    return failed(error)
  }
  return answer instanceof Promise ? answer.then(answered, failed) : answered(answer)
}

/** Whether it certainly still does. A store's time is of whole milliseconds, and may have been almost one more when it was read. */
function refuses({ result, at, asked }: Memory, now: number): boolean {
  return !result.allowed && at + (now - asked) <= result.retryAt - 1
}

function refusal(memories: readonly Memory[], now: number): RateLimitVerdict {
  // No later than the store's own time: whoever waits from here to `retryAt` waits for long enough.
  const at = Math.max(...memories.map((memory) => Math.floor(memory.at + (now - memory.answered))))
  const results = memories.map((memory) => {
    const { result, cost } = memory
    if (result.allowed || refuses(memory, now)) return result
    return { ...result, allowed: true, remaining: Math.max(result.remaining, cost), retryAt: at }
  })
  return { allowed: false, at, results, degraded: false }
}

function bucketOf({ scope }: ScopedPolicy, key: string): string {
  return `${scope} ${shortKey(key)}`
}

function invalid(why: string): RateLimitError {
  return new RateLimitError('rate_limit.options_invalid', why)
}
