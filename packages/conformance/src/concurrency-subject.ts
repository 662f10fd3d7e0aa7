import { randomBytes } from 'node:crypto'
import type { Clock, Collection, Json, Store } from '@portcullis/core'
import { type AcquiredSeat, type ConcurrencyLimit, type ConcurrencyOptions, createConcurrencyLimit } from '@portcullis/rate-limit'
import type { StoreUnderTest } from './store-subject.ts'

/** Seconds. An hour: so long that no timer of a limit renews anything while a test runs, however slow the machine is. */
export const LEASE = 3600

/** How many ask at once. */
export const CALLERS = 200

/** A limit as one process has it, and how it is told apart. */
export interface ProcessOptions extends Partial<ConcurrencyOptions> {
  /** Milliseconds by which the clock of this process is ahead of the store's. Default: 0. */
  readonly ahead?: number
  /** What the store is asked through. Default: the next connection, as it is. */
  readonly through?: (store: Store) => Store
}

/** What a behaviour is checked on. */
export interface ConcurrencyContext {
  /** Moves the time of the store, and of all processes. Milliseconds. */
  advance(milliseconds: number): void | Promise<void>
  /** A key that no other test uses. */
  readonly key: string
  /** A limit's name that no other test uses. */
  readonly name: string
  /** The limit as another process has it, on the next connection: 10 seats, and a lease of {@link LEASE}. */
  start(options?: ProcessOptions): ConcurrencyLimit
  /** Several of them. */
  startAll(count: number, options?: ProcessOptions): readonly [ConcurrencyLimit, ...ConcurrencyLimit[]]
  close(): Promise<void>
}

/** One row of the suite. */
export interface ConcurrencyBehaviour {
  /** A sentence: what holds. */
  readonly title: string
  check(context: ConcurrencyContext): Promise<void>
}

export function openConcurrencyContext(subject: StoreUnderTest): ConcurrencyContext {
  const connections: readonly Store[] = [subject.store, ...(subject.peers ?? [])]
  const unique = randomBytes(8).toString('hex')
  const secret = randomBytes(32)
  let processes = 0
  const start = ({ ahead = 0, through = (store) => store, ...options }: ProcessOptions = {}): ConcurrencyLimit => {
    const store = through(connections[processes % connections.length] ?? subject.store)
    processes += 1
    const clock: Clock = { now: () => subject.now() + ahead }
    // What the store throws fails the row: a share of this process would hide it.
    const common = { name: `suite-${unique}`, max: 10, secret, lease: LEASE, whenUnavailable: 'closed' } as const
    return createConcurrencyLimit({ ...common, clock, store, ...options })
  }
  return {
    advance: (milliseconds) => subject.advance(milliseconds),
    key: `ada-${unique}@acme.test`,
    name: `suite-${unique}`,
    start,
    startAll: (count, options) => [start(options), ...Array.from({ length: count - 1 }, () => start(options))],
    close: () => subject.close(),
  }
}

/** Asks so many times at once, in each process in turn. @returns the seats that they got */
export async function rush(limits: readonly ConcurrencyLimit[], count: number, key: string): Promise<AcquiredSeat[]> {
  const asked = Array.from({ length: count }, async (_, n) => limits[n % limits.length]?.acquire(key))
  return (await Promise.all(asked)).filter((attempt): attempt is AcquiredSeat => attempt?.acquired === true)
}

/** One seat; the test fails where there is none. */
export async function sit(limit: ConcurrencyLimit, key: string): Promise<AcquiredSeat> {
  const attempt = await limit.acquire(key)
  if (!attempt.acquired) throw new TypeError(`there is no seat: ${attempt.reason.message}`)
  return attempt
}

/** A verb that answers with a promise, and what it is asked with. */
export type Step = (verb: Exclude<keyof Collection<Json>, 'find'>, asked: readonly unknown[]) => unknown

/** A store that does something, and waits for it, before each verb. `find` is not held up. */
export function stepping(before: Step): (inner: Store) => Store {
  return (inner) => ({
    collection<T extends Json>(declaration: Parameters<Store['collection']>[0]): Collection<T> {
      const real = inner.collection<T>(declaration)
      return {
        async get(...asked) {
          await before('get', asked)
          return real.get(...asked)
        },
        async create(...asked) {
          await before('create', asked)
          return real.create(...asked)
        },
        async replace(...asked) {
          await before('replace', asked)
          return real.replace(...asked)
        },
        async take(...asked) {
          await before('take', asked)
          return real.take(...asked)
        },
        async remove(...asked) {
          await before('remove', asked)
          return real.remove(...asked)
        },
        find: (...asked) => real.find(...asked),
      }
    },
  })
}
