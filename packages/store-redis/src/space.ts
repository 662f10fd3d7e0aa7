import { hash } from 'node:crypto'
import type { Clock } from '@portcullis/core'
import type { RedisClient } from './client.ts'
import { RedisStoreError } from './errors.ts'
import type { Call, RedisLink } from './link.ts'
import type { Script } from './script.ts'
import { PARTITIONS } from './store-scripts.ts'

/** The keys of one partition of one collection. */
export interface Partition {
  /** Behind it comes the id. */
  readonly entry: string
  /** What is found, by index; only where the collection has indexes. */
  readonly index: string
  /** When what is found expires. */
  readonly expiries: string
}

/** What all collections of a store share. */
export class Space {
  readonly link: RedisLink
  /** Where the time comes from, unless it comes from the server. */
  readonly clock: Clock | undefined
  readonly #prefix: string
  readonly #partitions: number
  #verified = false
  #verifying: Promise<void> | undefined

  constructor(link: RedisLink, prefix: string, partitions: number, clock: Clock | undefined) {
    this.link = link
    this.clock = clock
    this.#prefix = prefix
    this.#partitions = partitions
  }

  /** Each has a hash tag of its own: a slot of a cluster. */
  partitionsOf(collection: string): readonly Partition[] {
    return Array.from({ length: this.#partitions }, (_, n) => {
      const tag = `{${this.#prefix}:${collection}:${n}}`
      return { entry: `${tag}e:`, index: `${tag}i`, expiries: `${tag}x` }
    })
  }

  /** Which of them an id is in: for as long as the data lives. */
  partitionOf(id: string): number {
    return this.#partitions === 1 ? 0 : hash('sha256', id, 'buffer').readUInt32BE(0) % this.#partitions
  }

  /** The time as scripts get it. */
  now(): string {
    return this.clock === undefined ? '' : String(Math.floor(this.clock.now()))
  }

  /** One round trip. @throws RedisStoreError as {@link RedisLink.run}, and `store_redis.partitions_differ` */
  run(script: Script, call: Call, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    // A server that has forgotten the scripts may have lost its data with them, and be another.
    return this.#first(() => this.link.run(call, (client) => script.call(client, keys, args, () => this.#compare(client))))
  }

  /** One command. @throws RedisStoreError as {@link RedisLink.run}, and `store_redis.partitions_differ` */
  send(call: Call, command: string, ...args: string[]): Promise<unknown> {
    return this.#first(() => this.link.send(call, command, ...args))
  }

  /** @throws RedisStoreError as {@link RedisLink.run}, and `store_redis.partitions_differ` */
  verify(): Promise<void> {
    this.#verifying ??= this.link
      .run({ key: this.#key, repeatable: true }, (client) => this.#compare(client))
      .finally(() => {
        this.#verifying = undefined
      })
    return this.#verifying
  }

  #first<T>(work: () => Promise<T>): Promise<T> {
    return this.#verified ? work() : this.link.within(() => this.verify().then(work))
  }

  async #compare(client: RedisClient): Promise<void> {
    this.#verified = false
    const own = String(this.#partitions)
    if ((await PARTITIONS.call(client, [this.#key], [own])) !== own) {
      const message = `this store was begun with another number of partitions than ${own}: with it, what is there would not be found`
      throw new RedisStoreError('store_redis.partitions_differ', message)
    }
    this.#verified = true
  }

  /** Meant to live forever. */
  get #key(): string {
    return `${this.#prefix}:partitions`
  }
}
