import {
  type Breaker,
  type Collection,
  type CollectionDeclaration,
  CoreError,
  createBreaker,
  createMemoryStore,
  type Json,
  PortcullisError,
  type Store,
} from '@portcullis/core'
import type { FailingStoreUnderTest, StoreFaults } from '../src/store-faults.ts'
import { collect } from '../src/store-subject.ts'

type Kept = Collection<Json>
type State = 'well' | 'dead' | 'frozen' | 'slow' | 'full' | 'crowded' | 'read-only'

export const DEADLINE = 100

/** A memory store behind a line that fails when it is told to. What it keeps outlasts everything. */
export class FaultyServer {
  readonly #forgets: boolean
  #kept: Store = createMemoryStore({ maxEntries: 10_000_000 })
  state: State = 'well'
  #waiting: (() => void)[] = []
  #calls = 0

  readonly faults: StoreFaults = {
    kill: () => this.#become('dead'),
    restart: () => this.#become('well'),
    freeze: () => this.#become('frozen'),
    thaw: () => this.#become('well'),
    slow: () => this.#become('slow'),
    fast: () => this.#become('well'),
    fill: () => this.#become('full'),
    drain: () => this.#become('well'),
    crowd: () => this.#become('crowded'),
    disperse: () => this.#become('well'),
    readOnly: () => this.#become('read-only'),
    writable: () => this.#become('well'),
  }

  /** @param forgets whether all is gone after a kill */
  constructor(forgets = false) {
    this.#forgets = forgets
  }

  /** What it has now. */
  collection(declaration: CollectionDeclaration): Kept {
    return this.#kept.collection<Json>(declaration)
  }

  async call<T>(verb: keyof Kept, work: () => Promise<T>): Promise<T> {
    this.#calls += 1
    // A round trip: time for others to come between.
    await new Promise((resolve) => setTimeout(resolve, 1))
    const writes = !['get', 'find'].includes(verb)
    if (this.state === 'frozen') await new Promise<void>((resolve) => this.#waiting.push(resolve))
    if (this.state === 'dead' || this.state === 'crowded') throw new ConnectionLost()
    if (this.state === 'full' && (verb === 'create' || verb === 'replace'))
      throw new CoreError('core.store_full', 'full', { status: 503 })
    if (this.state === 'read-only' && writes) throw new PortcullisError('server.read_only', 'read-only', { status: 503 })
    if (this.state !== 'slow') return work()
    // One in three or so, more than rows ask for: mistakes that need two in a row shall come out. Not in step with whoever calls.
    const drops = (Math.imul(this.#calls, 0x9e3779b1) >>> 0) % 3 === 0
    await new Promise((resolve) => setTimeout(resolve, DEADLINE * 0.2))
    const answer = await work()
    // It was done, and nobody is told.
    if (drops) throw new ConnectionLost()
    await new Promise((resolve) => setTimeout(resolve, DEADLINE * 0.2))
    return answer
  }

  async #become(state: State): Promise<void> {
    this.state = state
    if (state === 'dead' && this.#forgets) this.#kept = createMemoryStore()
    const waiting = this.#waiting
    this.#waiting = []
    for (const go of waiting) go()
  }
}

class ConnectionLost extends Error {}

/** How a client of the server handles its calls: rightly, or with a mistake. */
export type Client = (server: FaultyServer, kept: Kept) => Kept

/** Each process is a client with a breaker of its own; the peers publish nothing, as in other processes. */
export function underTest(server: FaultyServer, clients: readonly Client[]): FailingStoreUnderTest {
  const [store, ...peers] = clients.map((client): Store => {
    const collections = new Map<string, Kept>()
    return {
      collection<T extends Json>(declaration: CollectionDeclaration) {
        const collection = collections.get(declaration.name) ?? client(server, forwarding(server, declaration))
        collections.set(declaration.name, collection)
        return collection as unknown as Collection<T>
      },
    }
  })
  return { store: store!, peers, faults: server.faults, close: () => server.faults.thaw!() }
}

function forwarding(server: FaultyServer, declaration: CollectionDeclaration): Kept {
  const kept = (): Kept => server.collection(declaration)
  return {
    get: (id) => kept().get(id),
    create: (id, value, options) => kept().create(id, value, options),
    replace: (id, version, value, options) => kept().replace(id, version, value, options),
    take: (id) => kept().take(id),
    remove: (id) => kept().remove(id),
    find: (index, key, page) => kept().find(index, key, page),
  }
}

/** @param run makes a call under a policy: a deadline, a breaker */
export function clientOf(run: <T>(work: () => Promise<T>) => Promise<T>): Client {
  return (server, kept) => ({
    get: (id) => run(() => server.call('get', () => kept.get(id))),
    create: (id, value, options) => run(() => server.call('create', () => kept.create(id, value, options))),
    replace: (id, version, value, options) => run(() => server.call('replace', () => kept.replace(id, version, value, options))),
    take: (id) => run(() => server.call('take', () => kept.take(id))),
    remove: (id) => run(() => server.call('remove', () => kept.remove(id))),
    async *find(index, key, page) {
      yield* await run(() => server.call('find', () => collect(kept.find(index, key, page))))
    },
  })
}

export const unavailable = (cause?: unknown): PortcullisError =>
  new PortcullisError('server.unavailable', 'nobody answers', { status: 503, cause })

/** A client that does everything right. */
export function rightClient(breaker: Breaker = breakerOf('server')): Client {
  return clientOf((work) => breaker.run(work).catch(coded))
}

/** @param isOutage which errors say that nobody is there */
export function breakerOf(
  name: string | undefined,
  isOutage: (error: unknown) => boolean = (error) => !(error instanceof PortcullisError) || error.code === 'server.unavailable',
): Breaker {
  return createBreaker({
    ...(name !== undefined && { name }),
    timeout: DEADLINE,
    unavailable: () => unavailable(),
    isOutage,
  })
}

/** What a driver throws becomes an error of the store. */
export function coded(error: unknown): never {
  if (error instanceof PortcullisError) throw error
  throw unavailable(error)
}
