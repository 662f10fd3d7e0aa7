import type { Page } from '@portcullis/core'
import { decodeEntry, type Entry } from './entry.ts'
import { RedisStoreError } from './errors.ts'
import type { Partition, Space } from './space.ts'
import { FIND } from './store-scripts.ts'

/** An entry that was found. */
export interface Found {
  readonly id: string
  readonly entry: Entry
  /** Whether it has not expired in the meantime, by the store's clock. */
  isLive(): boolean
}

/** What is looked for. */
export interface Query {
  readonly index: string
  readonly key: string
  readonly page: Page
  /** Reads one entry that the index knows of and its script did not see. */
  read(partition: Partition, id: string): Promise<Entry | undefined>
}

/** The most entries of one reply. */
const PAGE = 256

/** What is under a key of an index, in the order of ids: all partitions are asked at once, and their answers merged. */
export async function* findAll(
  space: Space,
  partitions: readonly Partition[],
  query: Query,
): AsyncGenerator<Found, void, undefined> {
  const { limit = PAGE, order = 'ascending' } = query.page
  const direction = order === 'ascending' ? 1 : -1
  const streams = partitions.map((partition) => new Stream(space, partition, query, Math.min(limit, PAGE)))
  for (;;) {
    await Promise.all(streams.map((stream) => stream.fill()))
    const heads = streams.filter((stream) => stream.head !== undefined)
    const first = heads.reduce<Stream | undefined>((best, stream) => {
      if (best?.bytes === undefined || stream.bytes === undefined) return stream
      return Buffer.compare(stream.bytes, best.bytes) * direction < 0 ? stream : best
    }, undefined)
    const found = first?.shift()
    if (found === undefined) return
    yield found
  }
}

/** One partition's part of the answer. */
class Stream {
  readonly #space: Space
  readonly #partition: Partition
  readonly #query: Query
  readonly #most: number
  #buffer: Found[] = []
  #next = 0
  #bytes: Buffer | undefined
  #after: string | undefined
  #more = true

  constructor(space: Space, partition: Partition, query: Query, most: number) {
    this.#space = space
    this.#partition = partition
    this.#query = query
    this.#most = most
    this.#after = query.page.after
  }

  get head(): Found | undefined {
    return this.#buffer[this.#next]
  }

  /** The head's id, as ids are compared. */
  get bytes(): Buffer | undefined {
    const { head } = this
    if (head !== undefined) this.#bytes ??= Buffer.from(head.id)
    return this.#bytes
  }

  shift(): Found | undefined {
    const { head } = this
    this.#next += 1
    this.#bytes = undefined
    return head
  }

  /** Has a head afterwards, unless nothing is left. */
  async fill(): Promise<void> {
    while (this.head === undefined && this.#more) {
      this.#buffer = await this.#read()
      this.#next = 0
    }
  }

  async #read(): Promise<Found[]> {
    const { index: key, expiries } = this.#partition
    const prefix = `${this.#query.index}\0${this.#query.key}\0`
    const forward = this.#query.page.order !== 'descending'
    // No id is empty, and none has a NUL: all members of a key stand between its prefix and the prefix with its last byte one higher.
    const [lowest, highest] = [`(${prefix}`, `(${prefix.slice(0, -1)}\u0001`]
    const begin = this.#after === undefined ? (forward ? lowest : highest) : `(${prefix}${this.#after}`
    const range = [begin, forward ? highest : lowest, forward ? '' : 'REV']
    const args = [this.#space.now(), ...range, String(this.#most), String(Buffer.byteLength(prefix))]
    const reply = await this.#space.run(FIND, { key, repeatable: true }, [key, expiries], args)
    if (!Array.isArray(reply) || reply.length < 3) {
      throw new RedisStoreError('store_redis.reply_invalid', 'a script did not answer a list')
    }
    const [now, more, last, ...rest]: readonly unknown[] = reply
    this.#more = more === '1'
    if (typeof last === 'string' && last !== '') this.#after = last
    const pairs = Array.from({ length: rest.length / 2 }, (_, n) => [String(rest[2 * n]), rest[2 * n + 1]] as const)
    const entries = await Promise.all(pairs.map(([id, text]) => this.#entry(id, text)))
    const isLive = this.#liveFrom(Number(now))
    return pairs.flatMap(([id], n) => {
      const entry = entries[n]
      return entry === undefined ? [] : [{ id, entry, isLive: () => isLive(entry) }]
    })
  }

  #entry(id: string, text: unknown): Entry | Promise<Entry | undefined> {
    return typeof text === 'string' ? decodeEntry(text) : this.#query.read(this.#partition, id)
  }

  /** The server's clock goes on as this machine's does, from where it was. */
  #liveFrom(now: number): (entry: Entry) => boolean {
    const { clock } = this.#space
    const readAt = performance.now()
    return ({ expiresAt }) => expiresAt === undefined || expiresAt > (clock?.now() ?? now + performance.now() - readAt)
  }
}
