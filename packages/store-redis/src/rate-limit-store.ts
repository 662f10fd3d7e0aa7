import { type Clock, systemClock } from '@portcullis/core'
import type { RateLimitStore, RateLimitVerdict, ScopedPolicy } from '@portcullis/rate-limit'
import {
  checkCost,
  type Gcra,
  gcra,
  keyDigest,
  keyOf,
  RateLimitError,
  requireSameNumbers,
  verdictOf,
} from '@portcullis/rate-limit/store'
import { checkClient, type RedisClient } from './client.ts'
import { RedisStoreError } from './errors.ts'
import { linkTo, type RedisLink } from './link.ts'
import { backendName, keyPrefix, within } from './options.ts'
import { ADJUST, CONSUME } from './rate-limit-script.ts'
import type { Script } from './script.ts'

/** Options of {@link createRedisRateLimitStore}. */
export interface RedisRateLimitStoreOptions {
  /** An ioredis client, or one for a cluster; it stays the caller's, who closes it. */
  readonly client: RedisClient
  /** At least 16 bytes, the same in all processes that count together: whoever reads Redis without it can't tell whom a bucket is for. */
  readonly secret: string | Uint8Array
  /** What every key begins with: `<prefix>:limit:`. 1 to 64 of `A-Z a-z 0-9 . _ : -`. Default: `portcullis`. */
  readonly prefix?: string
  /** For each check, in milliseconds. Default: 250. */
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

/** What is known of an array of policies. */
interface Plan {
  readonly gcras: readonly Gcra[]
  /** The digest of the word that they have in common. */
  readonly together: string | undefined
}

class RedisRateLimitStore implements RateLimitStore {
  readonly #link: RedisLink
  readonly #digest: (key: string) => string
  readonly #prefix: string
  readonly #clock: Clock | undefined
  readonly #scopes = new Map<string, ScopedPolicy>()
  readonly #plans = new WeakMap<readonly ScopedPolicy[], Plan>()

  constructor(options: RedisRateLimitStoreOptions) {
    const client = checkClient(options.client)
    this.#prefix = `${keyPrefix(options.prefix)}:limit:`
    this.#digest = keyDigest(options.secret)
    this.#clock = options.clock
    const timeout = within('timeout', options.timeout ?? 250, { min: 1, max: 60_000 })
    this.#link = linkTo(client, timeout, backendName(options.name), options.clock ?? systemClock)
  }

  declare(policies: readonly ScopedPolicy[]): void {
    this.#plan(policies)
  }

  async consume(keys: readonly string[], policies: readonly ScopedPolicy[], cost: number): Promise<RateLimitVerdict> {
    checkCost(cost)
    const plan = this.#plan(policies)
    const reply = await this.#run(CONSUME, this.#keys(keys, policies, plan), cost, plan)
    const [, at = 0, ...leads] = numbersIn(reply, policies.length + 2)
    const found = policies.map((policy, n) => ({ policy, gcra: member(plan.gcras, n), lead: member(leads, n) }))
    return verdictOf(found, at, cost)
  }

  async adjust(
    keys: readonly string[],
    policies: readonly ScopedPolicy[],
    units: number,
    reserved?: RateLimitVerdict,
  ): Promise<void> {
    checkCost(Math.abs(units))
    const plan = this.#plan(policies)
    const buckets = this.#keys(keys, policies, plan)
    if (units !== 0) await this.#run(ADJUST, buckets, units, plan, reserved)
  }

  // Not repeated when its answer was lost: it may have been charged.
  #run(script: Script, keys: readonly string[], units: number, { gcras }: Plan, reserved?: RateLimitVerdict): Promise<unknown> {
    const now = this.#clock === undefined ? '' : String(Math.floor(this.#clock.now()))
    const numbers = gcras.flatMap(({ scale, increment, tolerance }, n) => [
      String(scale),
      String(increment),
      String(tolerance),
      String(reserved?.results[n]?.resetAt ?? ''),
    ])
    const call = { key: member(keys, 0), repeatable: false, wrote }
    return this.#link.run(call, (client) => script.call(client, keys, [now, String(units), ...numbers]))
  }

  #keys(keys: readonly string[], policies: readonly ScopedPolicy[], { together }: Plan): readonly string[] {
    const digests = policies.map((_, n) => this.#digest(keyOf(keys, n)))
    const tag = together ?? member(digests, 0)
    if (together === undefined && digests.some((digest) => digest !== tag)) {
      throw apart('policies of one check that have different keys must be scoped together')
    }
    return policies.map(({ scope }, n) => `${this.#prefix}{${tag}}${scope}:${member(digests, n)}`)
  }

  #plan(policies: readonly ScopedPolicy[]): Plan {
    const known = this.#plans.get(policies)
    if (known !== undefined) return known
    const [word, ...words] = new Set(policies.map(({ together }) => together))
    if (words.length > 0)
      throw apart('policies of one check are scoped together with different words, or some of them without one')
    for (const policy of policies) this.#remember(policy)
    const plan = { gcras: policies.map(gcra), together: word === undefined ? undefined : this.#digest(word) }
    this.#plans.set(policies, plan)
    return plan
  }

  #remember(policy: ScopedPolicy): void {
    requireSameNumbers(this.#scopes.get(policy.scope) ?? policy, policy)
    this.#scopes.set(policy.scope, policy)
  }
}

function wrote(reply: unknown): boolean {
  return Array.isArray(reply) && Number(reply[0]) > 0
}

function apart(message: string): RedisStoreError {
  return new RedisStoreError('store_redis.keys_apart', message)
}

/** @throws RedisStoreError `store_redis.reply_invalid` */
function numbersIn(reply: unknown, length: number): readonly number[] {
  const numbers = Array.isArray(reply) ? reply.map(Number) : []
  if (numbers.length !== length || !numbers.every(Number.isFinite)) {
    throw new RedisStoreError('store_redis.reply_invalid', 'a script did not answer a number for each bucket')
  }
  return numbers
}

function member<T>(list: readonly T[], n: number): T {
  const found = list[n]
  if (found === undefined) throw new RateLimitError('rate_limit.key_missing', 'a check needs one key for each policy')
  return found
}
