import { type Clock, systemClock } from '@portcullis/core'
import type { RateLimitResult, RateLimitStore, RateLimitVerdict, ScopedPolicy } from '@portcullis/rate-limit'
import {
  checkCost,
  keyDigest,
  keyOf,
  type Meter,
  requireSameNumbers,
  reservedStart,
  verdictOf,
} from '@portcullis/rate-limit/store'
import { checkClient, type RedisClient } from './client.ts'
import { RedisStoreError } from './errors.ts'
import { linkTo } from './link.ts'
import { backendName, keyPrefix, within } from './options.ts'
import { Batch } from './rate-limit-batch.ts'
import { Metered } from './rate-limit-numbers.ts'
import { remembering } from './recent.ts'

/** Options of {@link createRedisRateLimitStore}. */
export interface RedisRateLimitStoreOptions {
  /** An ioredis client, or one for a cluster; it stays the caller's, who closes it. */
  readonly client: RedisClient
  /** At least 16 bytes, the same in all processes that count together: whoever reads Redis without it can't tell whom a bucket is for. */
  readonly secret: string | Uint8Array
  /** What every key begins with: `<prefix>:limit:`. 1 to 64 of `A-Z a-z 0-9 . _ : -`. Default: `portcullis`. */
  readonly prefix?: string
  /** For each check, in milliseconds. Default: 50. */
  readonly timeout?: number
  /** For tests. Default: the server's clock, which is the same for all processes. */
  readonly clock?: Clock
  /** What events call it. Default: `redis`, as the store on the same client, with which it then shares what is known of the server. */
  readonly name?: string
}

/**
 * Limits that are counted for all processes, on Redis 6.2 or later, Valkey, or a cluster of them. A check is one script: all of its
 * policies are charged, or none. A bucket is one key, which ends when everything has come back.
 *
 * Policies with one word in `together` share a hash tag made of it. Without, a bucket is where its key says, and a check whose
 * policies have different keys cannot be all or nothing on a cluster: it is refused, on a single server too, lest it be found out
 * on the day that the service grows.
 *
 * @throws RedisStoreError `store_redis.options_invalid`; RateLimitError `rate_limit.options_invalid` for a secret that is too short
 * @example const store = createRedisRateLimitStore({ client, secret: process.env.LIMIT_SECRET })
 */
export function createRedisRateLimitStore(options: RedisRateLimitStoreOptions): RateLimitStore {
  return new RedisRateLimitStore(options)
}

/** Keys whose digests are remembered: some 4 MB. */
const RECENT_KEYS = 10_000

/** What is known of an array of policies. */
interface Plan {
  readonly metered: Metered
  /** Where the key of each bucket goes on: behind the hash tag. */
  readonly scopes: readonly string[]
  /** The digest of the word that they have in common. */
  readonly together: string | undefined
}

class RedisRateLimitStore implements RateLimitStore {
  readonly #batch: Batch
  readonly #digest: (key: string) => string
  readonly #prefix: string
  readonly #clock: Clock | undefined
  readonly #scopes = new Map<string, ScopedPolicy>()
  readonly #plans = new WeakMap<readonly ScopedPolicy[], Plan>()

  constructor(options: RedisRateLimitStoreOptions) {
    const client = checkClient(options.client)
    this.#prefix = `${keyPrefix(options.prefix)}:limit:`
    // An HMAC takes as long as everything else that a check costs this process.
    this.#digest = remembering(RECENT_KEYS, keyDigest(options.secret))
    this.#clock = options.clock
    const timeout = within('timeout', options.timeout ?? 50, { min: 1, max: 60_000 })
    this.#batch = new Batch(linkTo(client, timeout, backendName(options.name), options.clock ?? systemClock))
  }

  declare(policies: readonly ScopedPolicy[]): void {
    this.#plan(policies)
  }

  consume(keys: readonly string[], policies: readonly ScopedPolicy[], cost: number): Promise<RateLimitVerdict> {
    return new Promise((resolve, reject) => {
      checkCost(cost)
      const plan = this.#plan(policies)
      const { metered } = plan
      const { numbers } = metered
      const done = (at: number, answer: readonly unknown[], place: number): boolean => {
        const found = metered.found(numbers, answer, place)
        if (found === undefined) return false
        resolve(verdictOf(found, at, cost))
        return true
      }
      this.#batch.add({
        kind: 'consume',
        keys: this.#keys(keys, plan),
        numbers,
        units: cost,
        now: this.#now(),
        done,
        failed: reject,
      })
    })
  }

  adjust(keys: readonly string[], policies: readonly ScopedPolicy[], units: number, reserved?: RateLimitVerdict): Promise<void> {
    return new Promise((resolve, reject) => {
      checkCost(Math.abs(units))
      const plan = this.#plan(policies)
      const buckets = this.#keys(keys, plan)
      if (units === 0) return resolve()
      const { metered } = plan
      const { numbers } = metered
      const back = metered.meters.flatMap((meter, n) => backOf(meter, reserved?.results[n]))
      const done = (): boolean => {
        resolve()
        return true
      }
      this.#batch.add({ kind: 'adjust', keys: buckets, numbers, units, back, now: this.#now(), done, failed: reject })
    })
  }

  #now(): string {
    return this.#clock === undefined ? '' : String(Math.floor(this.#clock.now()))
  }

  #keys(keys: readonly string[], { together, scopes }: Plan): readonly string[] {
    const first = this.#digest(keyOf(keys, 0))
    const tag = together ?? first
    const begin = `${this.#prefix}{${tag}}`
    return scopes.map((scope, n) => {
      const digest = n === 0 ? first : this.#digest(keyOf(keys, n))
      if (together === undefined && digest !== tag) {
        throw apart('policies of one check that have different keys must be scoped together')
      }
      // Said once: keys are most of what is sent, and of what is kept.
      return digest === tag ? begin + scope : begin + scope + digest
    })
  }

  #plan(policies: readonly ScopedPolicy[]): Plan {
    const known = this.#plans.get(policies)
    if (known !== undefined) return known
    const [word, ...words] = new Set(policies.map(({ together }) => together))
    if (words.length > 0)
      throw apart('policies of one check are scoped together with different words, or some of them without one')
    for (const policy of policies) this.#remember(policy)
    const metered = new Metered(policies, this.#clock)
    const scopes = policies.map(({ scope }, n) => scope + (metered.meters[n]?.kind === 'log' ? '|' : ':'))
    const plan = { metered, scopes, together: word === undefined ? undefined : this.#digest(word) }
    this.#plans.set(policies, plan)
    return plan
  }

  #remember(policy: ScopedPolicy): void {
    requireSameNumbers(this.#scopes.get(policy.scope) ?? policy, policy)
    this.#scopes.set(policy.scope, policy)
  }
}

/** When what was charged has come back, and the entry that it was charged to: see `Change`. */
function backOf(meter: Meter, reserved: RateLimitResult | undefined): readonly number[] {
  // JSON has no other number.
  if (reserved === undefined || !Number.isFinite(reserved.resetAt)) return [-1, -1]
  return [reserved.resetAt, meter.kind === 'log' ? reservedStart(meter, reserved) : -1]
}

function apart(message: string): RedisStoreError {
  return new RedisStoreError('store_redis.keys_apart', message)
}
