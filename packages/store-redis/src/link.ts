import { setTimeout as pause } from 'node:timers/promises'
import { type Breaker, backendLostEvent, backendRestoredEvent, type Clock, createBreaker, withDeadline } from '@portcullis/core'
import type { RedisClient } from './client.ts'
import { RedisStoreError } from './errors.ts'
import { failureOf } from './failure.ts'
import { slotOf } from './slot.ts'

/** What {@link RedisLink.run} has to know of a call. */
export interface Call {
  /** Says which node answers. */
  readonly key: string
  /** Whether an answer shows that the server takes writes. A script that finds nothing to do runs on a replica as well. */
  wrote?(answer: unknown): boolean
  /** Whether it may be sent once more when the connection was lost and nobody knows whether it was carried out. */
  readonly repeatable: boolean
}

/** A node as it is seen from here. */
interface Lane {
  readonly breaker: Breaker
  readOnly: boolean
}

/** The first pause before a command is sent again, in milliseconds; each is twice the one before, give or take a half. */
const FIRST_PAUSE = 4
/** How often a node that is down is looked for among those of the cluster, in milliseconds. */
const LOOK_EVERY = 1000

const links = new WeakMap<RedisClient, RedisLink[]>()

/** One link for everything that shares a client and a deadline: what one of them finds out about the server, all know. */
export function linkTo(client: RedisClient, timeout: number, name: string, clock: Clock): RedisLink {
  const known = links.get(client) ?? []
  links.set(client, known)
  const found = known.find((link) => link.timeout === timeout && link.name === name && link.clock === clock)
  if (found !== undefined) return found
  const link = new RedisLink(client, timeout, name, clock)
  known.push(link)
  return link
}

/**
 * The way to Redis: a deadline on each call, and a breaker for each node. The client's own patience is longer: ioredis keeps commands
 * for a connection that it does not have yet, and waits for one that has died until TCP gives it up.
 *
 * A command that was certainly not carried out (a slot is moving, the data set is being loaded) is sent again, after short and
 * uneven pauses, until the deadline; so is one whose connection was lost, where repeating it does no harm.
 */
export class RedisLink {
  readonly client: RedisClient
  /** Milliseconds, for each call. */
  readonly timeout: number
  readonly name: string
  readonly clock: Clock
  readonly #lanes = new Map<string, Lane>()
  /** By the clock; `undefined` while all is well. */
  #lostAt: number | undefined
  #lookedAt = 0

  constructor(client: RedisClient, timeout: number, name: string, clock: Clock) {
    this.client = client
    this.timeout = timeout
    this.name = name
    this.clock = clock
  }

  /**
   * Makes a call. One that is late may be carried out all the same.
   * @throws RedisStoreError `store_redis.timeout`, `.unavailable`, `.full`, `.read_only`, `.failed` (503, all); whatever `work` throws
   *   as such an error itself
   */
  run<T>(call: Call, work: (client: RedisClient) => Promise<T>): Promise<T> {
    const lane = this.#lane(call.key)
    const until = performance.now() + this.timeout
    return lane.breaker
      .run(() => this.#attempt(call, work, until))
      .then(
        (answer) => {
          if (lane.readOnly && call.wrote?.(answer) === true) lane.readOnly = false
          if (this.#lostAt !== undefined) this.#restored()
          return answer
        },
        (error: unknown) => {
          if (error instanceof RedisStoreError && error.code === 'store_redis.read_only') lane.readOnly = true
          if (this.#lostAt === undefined && (lane.readOnly || lane.breaker.open)) this.#lost(error)
          throw error
        },
      )
  }

  /** Whether calls to the node of this key are refused at the moment, but for one now and then that tries. */
  isDown(key: string): boolean {
    return this.#lane(key).breaker.open
  }

  /** Sends one command. */
  send(call: Call, command: string, ...args: string[]): Promise<unknown> {
    return this.run(call, (client) => client.call(command, ...args))
  }

  /** Several calls that shall be over within one deadline. */
  within<T>(work: () => Promise<T>): Promise<T> {
    return withDeadline(this.timeout, work, () => unavailable('late', this.timeout))
  }

  async #attempt<T>(call: Call, work: (client: RedisClient) => Promise<T>, until: number): Promise<T> {
    for (let wait = FIRST_PAUSE; ; wait *= 2) {
      try {
        return await work(this.client)
      } catch (cause) {
        if (cause instanceof RedisStoreError) throw cause
        const { error, outage, done } = failureOf(cause)
        const again = done === 'no' || (call.repeatable && done === 'unknown')
        const uneven = wait * (0.5 + Math.random())
        if (!again || performance.now() + uneven >= until) {
          if (outage) outages.add(error)
          throw error
        }
        await pause(uneven)
      }
    }
  }

  #lane(key: string): Lane {
    const { isCluster, slots } = this.client
    const node = isCluster === true ? (slots?.[slotOf(key)]?.[0] ?? '') : ''
    const found = this.#lanes.get(node)
    if (found !== undefined) return found
    // Without a name: what it would tell of one node is told of all of them here, once.
    const breaker = createBreaker({ timeout: this.timeout, unavailable, isOutage, clock: this.clock })
    const lane = { breaker, readOnly: false }
    this.#lanes.set(node, lane)
    return lane
  }

  #lost(error: unknown): void {
    this.#lostAt = this.clock.now()
    const code = error instanceof RedisStoreError ? error.code : 'unknown'
    backendLostEvent.publish({ backend: this.name, code }, { clock: this.clock })
  }

  #restored(): void {
    this.#forgetNodes()
    if (this.#lostAt === undefined || [...this.#lanes.values()].some(({ breaker, readOnly }) => breaker.open || readOnly)) return
    const lostFor = Math.max(0, this.clock.now() - this.#lostAt)
    this.#lostAt = undefined
    backendRestoredEvent.publish({ backend: this.name, lostFor }, { clock: this.clock })
  }

  /** A node that was replaced by another is not asked again: nothing would ever close its breaker. */
  #forgetNodes(): void {
    const { isCluster, slots = [] } = this.client
    if (isCluster !== true || performance.now() - this.#lookedAt < LOOK_EVERY) return
    this.#lookedAt = performance.now()
    const present = new Set(slots.map((nodes) => nodes?.[0] ?? ''))
    for (const node of this.#lanes.keys()) if (!present.has(node)) this.#lanes.delete(node)
  }
}

const outages = new WeakSet<RedisStoreError>()

function isOutage(error: unknown): boolean {
  return error instanceof RedisStoreError && outages.has(error)
}

function unavailable(why: 'late' | 'open', timeout: number): RedisStoreError {
  return why === 'late'
    ? new RedisStoreError('store_redis.timeout', `Redis did not answer within ${timeout} ms`, { status: 503 })
    : new RedisStoreError('store_redis.unavailable', 'Redis has not answered of late, and was not asked', { status: 503 })
}
