import { type Clock, systemClock } from './clock.ts'
import { CoreError } from './errors.ts'
import { type Expiry, ExpiryHeap } from './expiry-heap.ts'
import type { Collection, CollectionDeclaration, Json, Page, Store, Stored, WriteOptions } from './store.ts'
import { type CheckedWrite, checkId, checkIndexKey, checkPage, checkWrite, DeclaredCollections } from './store-contract.ts'

/** Options of {@link createMemoryStore}. */
export interface MemoryStoreOptions {
  /** Default: the machine's clock. */
  readonly clock?: Clock
  /** How many entries all collections hold together. Default: 100,000. */
  readonly maxEntries?: number
}

/**
 * A store in this process's memory: for tests, and for one process that may forget everything when it ends. It is bounded: when
 * `maxEntries` live entries are in it, creating another throws `core.store_full`. A live entry is never dropped to make room: a
 * replay check or a lockout that was forgotten silently would be worse than an error. Entries that have expired are cleared by
 * the writes that follow; there are no timers.
 *
 * @throws CoreError `core.store_full` when `maxEntries` leaves no room at all
 */
export function createMemoryStore(options: MemoryStoreOptions = {}): Store {
  const { clock = systemClock, maxEntries = 100_000 } = options
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
    throw new CoreError('core.store_full', 'maxEntries must be 1 or more')
  }
  const space = new Space(clock, maxEntries)
  const collections = new DeclaredCollections((declaration) => new MemoryCollection<Json>(declaration, space))
  return {
    collection: <T extends Json>(given: CollectionDeclaration) => collections.of(given) as unknown as Collection<T>,
  }
}

interface Entry extends CheckedWrite {
  readonly version: number
}

/** The room that all collections of one store share. */
class Space {
  readonly clock: Clock
  readonly #maxEntries: number
  readonly #expiries = new ExpiryHeap<MemoryCollection<Json>>()
  #entries = 0
  #version = 0

  constructor(clock: Clock, maxEntries: number) {
    this.clock = clock
    this.#maxEntries = maxEntries
  }

  /** Never the same twice: a version read before a remove does not fit what was created after it. */
  nextVersion(): number {
    this.#version += 1
    return this.#version
  }

  /** @throws CoreError `core.store_full` */
  claim(now: number): void {
    // A few per write keep pace with what expires, because a write adds one at most.
    this.#sweep(now, 8)
    if (this.#entries >= this.#maxEntries) this.#sweep(now, Number.POSITIVE_INFINITY)
    if (this.#entries >= this.#maxEntries) {
      throw new CoreError('core.store_full', `the memory store holds ${this.#maxEntries} live entries`, { status: 503 })
    }
    this.#entries += 1
  }

  release(): void {
    this.#entries -= 1
  }

  watch(entry: Expiry<MemoryCollection<Json>>): void {
    this.#expiries.push(entry)
    // What was taken or replaced leaves its expiry behind; without this a busy one-time collection would pile them up.
    if (this.#expiries.size > 2 * this.#entries + 64) this.#expiries.keep(holds)
  }

  #sweep(now: number, most: number): void {
    for (let swept = 0; swept < most; swept++) {
      const first = this.#expiries.peek()
      if (first === undefined || first.at > now) return
      this.#expiries.pop()
      if (holds(first)) first.owner.drop(first.id)
    }
  }
}

function holds({ owner, id, version }: Expiry<MemoryCollection<Json>>): boolean {
  return owner.versionOf(id) === version
}

// No verb awaits anything: each runs to its end before another begins, which is what makes it atomic.
class MemoryCollection<T extends Json> implements Collection<T> {
  readonly declaration: Required<CollectionDeclaration>
  readonly #space: Space
  readonly #entries = new Map<string, Entry>()
  /** Index, key, ids. */
  readonly #indexes: Map<string, Map<string, Set<string>>>

  constructor(declaration: Required<CollectionDeclaration>, space: Space) {
    this.declaration = declaration
    this.#space = space
    this.#indexes = new Map(declaration.indexes.map((index) => [index, new Map()]))
  }

  async get(id: string): Promise<Stored<T> | undefined> {
    checkId(id)
    const entry = this.#live(id)
    return entry && stored<T>(id, entry)
  }

  async create(id: string, value: T, options?: WriteOptions): Promise<boolean> {
    checkId(id)
    const write = checkWrite(this.declaration, value, options)
    if (this.#live(id) !== undefined) return false
    this.#space.claim(this.#space.clock.now())
    this.#put(id, write)
    return true
  }

  async replace(id: string, version: number, value: T, options?: WriteOptions): Promise<boolean> {
    checkId(id)
    const write = checkWrite(this.declaration, value, options)
    const entry = this.#live(id)
    if (entry === undefined || entry.version !== version) return false
    this.#unlink(id, entry)
    this.#put(id, write)
    return true
  }

  async take(id: string): Promise<T | undefined> {
    checkId(id)
    const entry = this.#live(id)
    if (entry === undefined) return undefined
    this.drop(id)
    return JSON.parse(entry.text) as T
  }

  async remove(id: string): Promise<boolean> {
    checkId(id)
    if (this.#live(id) === undefined) return false
    this.drop(id)
    return true
  }

  async *find(index: string, key: string, page: Page = {}): AsyncGenerator<Stored<T>, void, undefined> {
    checkIndexKey(this.declaration, index, key)
    checkPage(page)
    const { after, limit = Number.POSITIVE_INFINITY, order = 'ascending' } = page
    const direction = order === 'ascending' ? 1 : -1
    const ids = [...(this.#indexes.get(index)?.get(key) ?? [])]
      .filter((id) => after === undefined || compareBytes(id, after) * direction > 0)
      .sort((a, b) => compareBytes(a, b) * direction)
    let left = limit
    for (const id of ids) {
      if (left <= 0) return
      // It may have been removed, or moved to another key, while the caller looked at the one before.
      const entry = this.#live(id)
      if (entry?.keys.get(index) !== key) continue
      left -= 1
      yield stored<T>(id, entry)
    }
  }

  /** Which version is under this id, live or not: for the sweep. */
  versionOf(id: string): number | undefined {
    return this.#entries.get(id)?.version
  }

  /** Removes what is under this id, live or not. */
  drop(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#unlink(id, entry)
    this.#entries.delete(id)
    this.#space.release()
  }

  #live(id: string): Entry | undefined {
    const entry = this.#entries.get(id)
    if (entry?.expiresAt === undefined || entry.expiresAt > this.#space.clock.now()) return entry
    this.drop(id)
    return undefined
  }

  #put(id: string, write: CheckedWrite): void {
    const version = this.#space.nextVersion()
    this.#entries.set(id, { ...write, version })
    for (const [index, key] of write.keys) {
      const ids = this.#indexes.get(index)?.get(key)
      if (ids === undefined) this.#indexes.get(index)?.set(key, new Set([id]))
      else ids.add(id)
    }
    if (write.expiresAt !== undefined) {
      this.#space.watch({ at: write.expiresAt, owner: this as unknown as MemoryCollection<Json>, id, version })
    }
  }

  #unlink(id: string, entry: Entry): void {
    for (const [index, key] of entry.keys) {
      const keys = this.#indexes.get(index)
      const ids = keys?.get(key)
      ids?.delete(id)
      if (ids?.size === 0) keys?.delete(key)
    }
  }
}

function stored<T extends Json>(id: string, { text, version, expiresAt }: Entry): Stored<T> {
  return { id, value: JSON.parse(text) as T, version, expiresAt }
}

/** As the UTF-8 bytes compare. UTF-16 units would put U+10000 and above before U+E000 to U+FFFF. */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
