import type { Clock } from '@portcullis/core'
import {
  checkCost,
  type Gcra,
  gcra,
  keyDigest,
  keyOf,
  RateLimitError,
  type RateLimitStore,
  type RateLimitVerdict,
  requireSameNumbers,
  type ScopedPolicy,
  verdictOf,
} from '@portcullis/rate-limit/store'
import { type Backend, backendOf } from './backend.ts'
import { type Bucket, type Buckets, type Charged, lockingOrder } from './rate-limit-buckets.ts'
import { postgresBuckets } from './rate-limit-postgres.ts'
import { sqliteBuckets } from './rate-limit-sqlite.ts'
import type { SqlStore } from './sql-store.ts'

/** Options of {@link createSqlRateLimitStore}. */
export interface SqlRateLimitStoreOptions {
  /** What `openPostgres` or `openSqlite` opened; its migrations have been applied. */
  readonly store: SqlStore
  /**
   * What keys are hashed with before they leave this process: at least 16 bytes, random, the same in all processes that count together
   * (a string counts as its UTF-8 bytes).
   */
  readonly secret: string | Uint8Array
  /** Where the time comes from. Default: the clock of the PostgreSQL server, which is one for all; on SQLite the machine's. */
  readonly clock?: Clock
  /** For each check on PostgreSQL, in milliseconds, everything included: 10 to 600,000. Default: 250. */
  readonly timeout?: number
}

/** Limits in an SQL database. */
export interface SqlRateLimitStore extends RateLimitStore {
  declare(policies: readonly ScopedPolicy[]): void
  /** Deletes all buckets that have nothing to tell any more, in small batches. Checks do it by and by: this is for an idle hour. */
  sweep(): Promise<void>
}

/** After this many checks, some buckets are looked at: more of them than that many checks can have made. */
const SWEEP_EVERY = 64

/**
 * Limits that all processes on one database share. One check is one statement on PostgreSQL, one transaction on SQLite. What a crash of
 * the PostgreSQL server takes with it are the counts of its last moments.
 *
 * @throws RateLimitError `rate_limit.options_invalid`
 * @example const limits = createSqlRateLimitStore({ store, secret: process.env.LIMIT_SECRET })
 */
export function createSqlRateLimitStore(options: SqlRateLimitStoreOptions): SqlRateLimitStore {
  const { store, secret, clock, timeout = 250 } = options
  const backend = backendOf(store)
  if (backend === undefined) {
    throw new RateLimitError('rate_limit.options_invalid', 'store must come from openPostgres or openSqlite')
  }
  if (!Number.isSafeInteger(timeout) || timeout < 10 || timeout > 600_000) {
    throw new RateLimitError('rate_limit.options_invalid', 'timeout must be 10 to 600,000 milliseconds')
  }
  return new SqlLimits(bucketsOf(backend, clock, timeout), keyDigest(secret))
}

function bucketsOf(backend: Backend, clock: Clock | undefined, timeout: number): Buckets {
  if (backend.name === 'sqlite') return sqliteBuckets(backend.dialect, backend.access, clock)
  return postgresBuckets(backend.dialect, backend.backend.channel('rate_limit', timeout), clock)
}

/** What is known of an array of policies once and for all. */
interface Plan {
  readonly parts: readonly { readonly policy: ScopedPolicy; readonly gcra: Gcra }[]
  /** Positions of the policies, in the order of locking. */
  readonly order: readonly number[]
}

class SqlLimits implements SqlRateLimitStore {
  readonly #buckets: Buckets
  readonly #digest: (key: string) => string
  readonly #plans = new WeakMap<readonly ScopedPolicy[], Plan>()
  readonly #declared = new Map<string, ScopedPolicy>()
  #checks = 0

  constructor(buckets: Buckets, digest: (key: string) => string) {
    this.#buckets = buckets
    this.#digest = digest
  }

  declare(policies: readonly ScopedPolicy[]): void {
    this.#plan(policies)
  }

  consume(
    keys: readonly string[],
    policies: readonly ScopedPolicy[],
    cost: number,
  ): RateLimitVerdict | Promise<RateLimitVerdict> {
    checkCost(cost)
    const plan = this.#plan(policies)
    const buckets = plan.order.map((i) => bucketOf(plan, keys, i, this.#digest))
    const charged = this.#buckets.charge(buckets, cost)
    this.#sweepSometimes()
    return charged instanceof Promise ? charged.then((found) => verdict(plan, found, cost)) : verdict(plan, charged, cost)
  }

  async adjust(
    keys: readonly string[],
    policies: readonly ScopedPolicy[],
    units: number,
    reserved?: RateLimitVerdict,
  ): Promise<void> {
    checkCost(Math.abs(units))
    const plan = this.#plan(policies)
    if (units === 0) return
    const buckets = plan.order.map((i) => ({
      ...bucketOf(plan, keys, i, this.#digest),
      tolerance: Number.POSITIVE_INFINITY,
      reset: units < 0 ? (reserved?.results[i]?.resetAt ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY,
    }))
    await this.#buckets.charge(buckets, units)
  }

  async sweep(): Promise<void> {
    // From wherever checks have got to, to the end, and once round.
    for (let rounds = 0; rounds < 2; ) if (await this.#buckets.sweep()) rounds += 1
  }

  #sweepSometimes(): void {
    this.#checks += 1
    if (this.#checks % SWEEP_EVERY !== 0) return
    // Beside the check, which it must not fail. What could not be swept now will be later.
    this.#buckets.sweep().catch(() => undefined)
  }

  #plan(policies: readonly ScopedPolicy[]): Plan {
    const known = this.#plans.get(policies)
    if (known !== undefined) return known
    for (const policy of policies) this.#declare(policy)
    const plan: Plan = {
      parts: policies.map((policy) => ({ policy, gcra: gcra(policy) })),
      order: lockingOrder(policies),
    }
    this.#plans.set(policies, plan)
    return plan
  }

  #declare(policy: ScopedPolicy): void {
    requireSameNumbers(this.#declared.get(policy.scope) ?? policy, policy)
    this.#declared.set(policy.scope, policy)
  }
}

function bucketOf({ parts }: Plan, keys: readonly string[], i: number, digest: (key: string) => string): Bucket {
  const part = parts[i]
  if (part === undefined) throw new RateLimitError('rate_limit.key_missing', 'a check needs one key for each policy')
  const { scope } = part.policy
  return { scope, key: digest(keyOf(keys, i)), ...part.gcra, reset: Number.POSITIVE_INFINITY }
}

function verdict({ parts, order }: Plan, { at, leads }: Charged, cost: number): RateLimitVerdict {
  const lead: number[] = []
  for (const [position, i] of order.entries()) lead[i] = leads[position] ?? 0
  return verdictOf(
    parts.map((part, i) => ({ ...part, lead: lead[i] ?? 0 })),
    at,
    cost,
  )
}
