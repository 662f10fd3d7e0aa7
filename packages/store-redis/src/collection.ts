import { randomInt } from 'node:crypto'
import {
  type Collection,
  type CollectionDeclaration,
  checkId,
  checkIndexKey,
  checkPage,
  checkWrite,
  type Json,
  type Page,
  type Stored,
  type WriteOptions,
} from '@portcullis/core'
import { decodeEntry, type Entry, encodeEntry, parseValue } from './entry.ts'
import { RedisStoreError } from './errors.ts'
import { type Found, findAll } from './find.ts'
import type { Partition, Space } from './space.ts'
import { PUT, TAKE } from './store-scripts.ts'

/** Versions are drawn from 1 to this: nobody meets the same again. */
const MOST_VERSION = 2 ** 47

/** A collection on Redis. Each verb is one round trip, and happens at once or not at all. */
export class RedisCollection<T extends Json> implements Collection<T> {
  readonly declaration: Required<CollectionDeclaration>
  readonly #space: Space
  readonly #partitions: readonly Partition[]

  constructor(declaration: Required<CollectionDeclaration>, space: Space) {
    this.declaration = declaration
    this.#space = space
    this.#partitions = space.partitionsOf(declaration.name)
  }

  async get(id: string): Promise<Stored<T> | undefined> {
    checkId(id)
    const entry = await this.#read(this.#partition(id), id)
    return entry && stored<T>(id, entry)
  }

  async create(id: string, value: T, options?: WriteOptions): Promise<boolean> {
    checkId(id)
    const { text, expiresAt, keys } = checkWrite(this.declaration, value, options)
    return this.#put(id, '', { version: randomInt(1, MOST_VERSION), expiresAt, keys, text })
  }

  async replace(id: string, version: number, value: T, options?: WriteOptions): Promise<boolean> {
    checkId(id)
    const { text, expiresAt, keys } = checkWrite(this.declaration, value, options)
    if (!Number.isSafeInteger(version) || version < 1) return false
    let next = version
    while (next === version) next = randomInt(1, MOST_VERSION)
    return this.#put(id, String(version), { version: next, expiresAt, keys, text })
  }

  async take(id: string): Promise<T | undefined> {
    checkId(id)
    const reply = await this.#take(id, '')
    return reply === null ? undefined : parseValue<T>(decodeEntry(reply))
  }

  async remove(id: string): Promise<boolean> {
    checkId(id)
    return isThere(await this.#take(id, 'told'))
  }

  async *find(index: string, key: string, page: Page = {}): AsyncGenerator<Stored<T>, void, undefined> {
    checkIndexKey(this.declaration, index, key)
    checkPage(page)
    const { limit = Number.POSITIVE_INFINITY } = page
    const read = (partition: Partition, id: string): Promise<Entry | undefined> => this.#read(partition, id)
    let left = limit
    if (left === 0) return
    for await (const { id, entry, isLive } of findAll(this.#space, this.#partitions, { index, key, page, read })) {
      // It may have expired while the caller looked at the one before.
      if (entry.keys.get(index) !== key || !isLive()) continue
      yield stored<T>(id, entry)
      left -= 1
      if (left === 0) return
    }
  }

  #partition(id: string): Partition {
    const partition = this.#partitions[this.#space.partitionOf(id)]
    if (partition === undefined) throw new RedisStoreError('store_redis.options_invalid', 'a partition is missing')
    return partition
  }

  async #read({ entry: prefix }: Partition, id: string): Promise<Entry | undefined> {
    const key = prefix + id
    const reply = await this.#space.send({ key, repeatable: true }, 'GET', key)
    if (reply === null) return undefined
    const entry = decodeEntry(reply)
    const { clock } = this.#space
    return clock !== undefined && entry.expiresAt !== undefined && entry.expiresAt <= clock.now() ? undefined : entry
  }

  async #put(id: string, expected: string, entry: Entry): Promise<boolean> {
    const keys = this.#keys(id)
    const text = encodeEntry(entry)
    if (expected === '' && this.#plain && (await this.#setNew(keys[0], text, entry))) return true
    // Where a driver has sent the same command twice, the script finds what the first one wrote.
    const args = [this.#space.now(), expected, String(entry.version), String(entry.expiresAt ?? ''), text]
    const wrote = (answer: unknown): boolean => Number(answer) === 1
    return wrote(await this.#space.run(PUT, { key: keys[0], repeatable: true, wrote }, keys, args))
  }

  async #setNew(key: string, text: string, { expiresAt }: Entry): Promise<boolean> {
    const wrote = (answer: unknown): boolean => answer === 'OK'
    const expiry = expiresAt === undefined ? [] : ['PXAT', String(Math.max(1, expiresAt - 1))]
    return wrote(await this.#space.send({ key, repeatable: true, wrote }, 'SET', key, text, 'NX', ...expiry))
  }

  /** Not repeated: a second time it would say that nothing was there, of what it has removed itself. */
  #take(id: string, told: string): Promise<unknown> {
    const keys = this.#keys(id)
    const call = { key: keys[0], repeatable: false, wrote: isThere }
    if (this.#plain) return this.#space.send(call, told === '' ? 'GETDEL' : 'DEL', keys[0])
    return this.#space.run(TAKE, call, keys, [this.#space.now(), told])
  }

  /** Whether one key has all there is of an entry, and Redis alone says when it expires: then commands of its own do. */
  get #plain(): boolean {
    return this.#space.clock === undefined && this.declaration.indexes.length === 0
  }

  #keys(id: string): readonly [string, ...string[]] {
    const { entry, index, expiries } = this.#partition(id)
    return this.declaration.indexes.length === 0 ? [entry + id] : [entry + id, index, expiries]
  }
}

/** Neither nothing nor no key. */
function isThere(answer: unknown): boolean {
  return answer !== null && Number(answer) !== 0
}

function stored<T extends Json>(id: string, entry: Found['entry']): Stored<T> {
  return { id, value: parseValue<T>(entry), version: entry.version, expiresAt: entry.expiresAt }
}
