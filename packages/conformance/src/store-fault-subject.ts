import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type BackendLost,
  type BackendRestored,
  backendLostEvent,
  backendRestoredEvent,
  type Collection,
  type Json,
  PortcullisError,
  type SecurityEvent,
  type Store,
} from '@portcullis/core'
import { assert, expect } from 'vitest'
import { collect } from './store-subject.ts'

/** Makes a store's server fail, in pairs: a fault begins, and it ends. Each acts on a server that works. */
export interface StoreFaults {
  /** As a power cut: the process is gone, and whoever connects is refused. */
  kill?(): Promise<void>
  /** Starts it again, on the same data as far as it kept them. Resolves when it is up. */
  restart?(): Promise<void>
  /** It accepts connections and answers nothing: SIGSTOP. */
  freeze?(): Promise<void>
  thaw?(): Promise<void>
  /** Each call takes at least 200 ms longer, and one connection in ten is dropped. */
  slow?(): Promise<void>
  fast?(): Promise<void>
  /** No room for more data. What is there can be read. */
  fill?(): Promise<void>
  drain?(): Promise<void>
  /** No connection is left for the store to open: its own are gone, and others hold all there are. */
  crowd?(): Promise<void>
  disperse?(): Promise<void>
  /** It refuses to write, as a replica does. */
  readOnly?(): Promise<void>
  writable?(): Promise<void>
}

/** A store whose server can be made to fail, opened. */
export interface FailingStoreUnderTest {
  readonly store: Store
  /** Other connections to the same data, from this process. */
  readonly peers?: readonly Store[]
  readonly faults: StoreFaults
  /** Ends what still fails, and closes all. */
  close(): Promise<void>
}

/** What a row is checked on. */
export interface FaultContext extends FailingStoreUnderTest {
  /** Of each call, in milliseconds. */
  readonly deadline: number
  /** Whether what was acknowledged outlasts a kill. */
  readonly durable: boolean
  /** Milliseconds in which all must come back by itself. */
  readonly patience: number
  /** In a fresh collection with the indexes `user` and `tenant`, once per connection. */
  readonly connections: readonly [Collection<Json>, ...Collection<Json>[]]
}

/** One row of the suite. */
export interface FaultBehaviour {
  /** A sentence: what holds. */
  readonly title: string
  check(context: FaultContext): Promise<void>
}

/** What a call came to: an answer, or an outage that was said to be one. */
export type Answer<T> = { readonly answered: true; readonly value: T } | { readonly answered: false; readonly error: Error }

/** Milliseconds on top of a deadline: a busy machine is late, and a call without a deadline never ends. */
const ALLOWANCE = 3000

/** Milliseconds in which all comes back by itself: seconds, and a busy machine. */
const PATIENCE = 15_000

/** In every id, key and value that the rows write: it must show in no event and no error. */
const HUSH = 'hush'

/** What is known of a store before it is opened. */
export interface FaultTerms {
  readonly deadline: number
  readonly durable: boolean
  readonly patience?: number
}

export function openFaultContext(subject: FailingStoreUnderTest, terms: FaultTerms): FaultContext {
  const { deadline, durable, patience = PATIENCE } = terms
  const declaration = { name: `faults.t${randomBytes(8).toString('hex')}`, indexes: ['user', 'tenant'] }
  const open = (store: Store): Collection<Json> => store.collection<Json>(declaration)
  return {
    store: subject.store,
    faults: subject.faults,
    close: () => subject.close(),
    deadline,
    durable,
    patience,
    connections: [open(subject.store), ...(subject.peers ?? []).map(open)],
  }
}

/** Checks a row on a store that works, and that no error reaches nobody. */
export async function checkFault(context: FaultContext, { check }: FaultBehaviour): Promise<void> {
  const unhandled: unknown[] = []
  const note = (error: unknown): void => {
    unhandled.push(error)
  }
  process.on('unhandledRejection', note)
  try {
    await comesBack(context)
    await check(context)
    // Node tells of a rejection that nobody handles once the microtasks have run.
    await pause(1)
  } finally {
    process.off('unhandledRejection', note)
  }
  expect(unhandled).toEqual([])
}

/** The fault of that name. */
export function fault(context: FaultContext, name: keyof StoreFaults): () => Promise<void> {
  const { faults } = context
  const act = faults[name]
  assert(act !== undefined, `can promises the fault ${name}`)
  return () => act.call(faults)
}

/**
 * Waits for a call. It must be over by its deadline; what it throws must say, with a code and the status 503, that nobody answers, and
 * must hold nothing of what was asked.
 */
export async function answer<T>({ deadline }: FaultContext, call: () => Promise<T>): Promise<Answer<T>> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), deadline + ALLOWANCE)
  })
  const settled = call().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  const outcome = await Promise.race([settled, late])
  clearTimeout(timer)
  assert(outcome !== undefined, `a call took longer than its deadline of ${deadline} ms, by more than ${ALLOWANCE} ms`)
  if ('value' in outcome) return { answered: true, value: outcome.value }
  const { error } = outcome
  assert(error instanceof PortcullisError && error.status === 503, `a call failed, and not as an outage does: ${String(error)}`)
  expect(`${error.message} ${error.code}`).not.toContain(HUSH)
  return { answered: false, error }
}

/** Waits for a call that must succeed. */
export async function success<T>(context: FaultContext, what: string, call: () => Promise<T>): Promise<T> {
  const outcome = await answer(context, call)
  if (!outcome.answered) throw new Error(`it was rejected: ${what}`, { cause: outcome.error })
  return outcome.value
}

/**
 * Waits for a read that must succeed. One that was late is asked again, twice: a busy machine can hold up any call for a deadline. One
 * that was refused is not.
 */
export async function reading<T>(context: FaultContext, call: () => Promise<T>): Promise<T> {
  for (let late = 0; ; late++) {
    const started = performance.now()
    const outcome = await answer(context, call)
    if (outcome.answered) return outcome.value
    if (late === 2 || performance.now() - started < context.deadline * 0.9) {
      throw new Error('a read was rejected', { cause: outcome.error })
    }
  }
}

/** Waits for something that follows by itself; fails when patience is at its end. */
export async function eventually(
  { patience }: FaultContext,
  what: string,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const until = performance.now() + patience
  while (!(await holds())) {
    assert(performance.now() < until, `in vain for ${patience / 1000} seconds: ${what}`)
    await pause(10)
  }
}

/** Waits until every connection works, and goes on to. */
export async function comesBack(context: FaultContext): Promise<void> {
  await eventually(context, 'it works again by itself, on every connection', async () => {
    for (const collection of context.connections) {
      for (let time = 0; time < 5; time++) if (!(await works(context, collection))) return false
    }
    return true
  })
}

async function works(context: FaultContext, collection: Collection<Json>): Promise<boolean> {
  const id = freshId()
  const created = await answer(context, () => collection.create(id, id, { index: { user: id } }))
  if (!created.answered) return false
  assert(created.value, 'create of a new id said that it was there')
  const read = await answer(context, () => collection.get(id))
  if (!read.answered) return false
  assert(read.value?.value === id, 'what was created is not there')
  const found = await answer(context, () => collect(collection.find('user', id)))
  if (!found.answered) return false
  assert(found.value.length === 1, 'what was created is not found')
  const taken = await answer(context, () => collection.take(id))
  if (!taken.answered) return false
  assert(taken.value === id, 'what was created could not be taken')
  return true
}

/** An id that was never used. */
export function freshId(): string {
  return `${HUSH}-${randomBytes(12).toString('hex')}`
}

/** Each verb on entries that are there: what must go on, and what must be refused, when the server is in trouble. */
export async function prepared(context: FaultContext): Promise<PreparedEntries> {
  const [collection] = context.connections
  const owner = freshId()
  const ids = Array.from({ length: 10 }, freshId).sort()
  for (const id of ids) {
    await success(context, 'a create before the fault', () => collection.create(id, { id }, { index: { user: owner } }))
  }
  return { ids, owner }
}

/** Entries that {@link prepared} made. */
export interface PreparedEntries {
  /** In order; each has `{ id }` as its value. */
  readonly ids: readonly string[]
  /** Their key in the index `user`. */
  readonly owner: string
}

/** The events of all breakers while a row runs. */
export interface FaultEvents {
  readonly lost: readonly SecurityEvent<string, BackendLost>[]
  readonly restored: readonly SecurityEvent<string, BackendRestored>[]
}

/** Runs a row's work with its events. None may tell what was asked. */
export async function withEvents(work: (events: FaultEvents) => Promise<void>): Promise<void> {
  const lost: SecurityEvent<string, BackendLost>[] = []
  const restored: SecurityEvent<string, BackendRestored>[] = []
  const stop = [
    backendLostEvent.subscribe((event) => lost.push(event)),
    backendRestoredEvent.subscribe((event) => restored.push(event)),
  ]
  try {
    await work({ lost, restored })
  } finally {
    for (const one of stop) one()
  }
  expect(JSON.stringify([lost, restored])).not.toContain(HUSH)
}
