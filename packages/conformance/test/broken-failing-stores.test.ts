import { setTimeout as pause } from 'node:timers/promises'
import { type Breaker, backendLostEvent, backendRestoredEvent, type Collection, type Json, withDeadline } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { freezing, killing } from '../src/store-fault-outages.ts'
import { checkFault, type FaultBehaviour, openFaultContext } from '../src/store-fault-subject.ts'
import { crowding, denying, filling, slowing } from '../src/store-fault-trouble.ts'
import {
  breakerOf,
  type Client,
  clientOf,
  coded,
  DEADLINE,
  FaultyServer,
  rightClient,
  unavailable,
  underTest,
} from './faulty-server.ts'

type Kept = Collection<Json>

/** Each is a mistake that a backend could make, the rows that are tried, and one that finds it. */
const DEFECTS: readonly (readonly [mistake: string, rows: readonly FaultBehaviour[], found: string, () => Client])[] = [
  [
    'a call has no deadline',
    freezing.slice(0, 1),
    'every verb of every connection rejects in time',
    () => clientOf((work) => work().catch(coded)),
  ],
  [
    'find alone has no deadline',
    freezing.slice(0, 1),
    'every verb of every connection rejects in time',
    () =>
      changing((kept, right, server) => ({
        ...right,
        find: (...given) => clientOf((work) => work())(server, kept).find(...given),
      })),
  ],
  [
    'every call waits for its deadline: there is no breaker',
    freezing,
    'calls fail at once',
    () => clientOf((work) => withDeadline(DEADLINE, work, unavailable).catch(coded)),
  ],
  [
    'each failure is told',
    killing,
    'is told once',
    () =>
      telling(
        () => true,
        () => true,
      ),
  ],
  ['nothing is told', killing, 'is told once', () => rightClient(breakerOf(undefined))],
  [
    'that it is back is not told',
    freezing,
    'is told once',
    () =>
      telling(
        (lost) => lost === 1,
        () => false,
      ),
  ],
  [
    'the event tells what was asked',
    killing,
    'is told once',
    () =>
      changing((_kept, right) => ({
        ...right,
        get: (id) =>
          right.get(id).catch((error: unknown) => {
            backendLostEvent.publish({ backend: 'server', code: id })
            throw error
          }),
      })),
  ],
  [
    'the error tells what was asked',
    killing,
    'rejects in time, as an outage',
    () =>
      changing((_kept, right) => ({
        ...right,
        get: (id) =>
          right.get(id).catch((error: Error) => {
            throw Object.assign(error, { message: `no answer for ${id}` })
          }),
      })),
  ],
  [
    'what the driver throws comes through',
    killing,
    'rejects in time, as an outage',
    () => {
      const breaker = breakerOf('server')
      return clientOf((work) => breaker.run(work))
    },
  ],
  [
    'nothing is there when nobody answers',
    killing,
    'rejects in time, as an outage',
    () => changing((_kept, right) => ({ ...right, get: (id) => right.get(id).catch(() => undefined) })),
  ],
  [
    'find is empty when nobody answers',
    freezing.slice(0, 1),
    'rejects in time, as an outage',
    () =>
      changing((_kept, right) => ({
        ...right,
        async *find(...given) {
          try {
            yield* right.find(...given)
          } catch {}
        },
      })),
  ],
  [
    'it never tries again',
    killing.slice(0, 1),
    'rejects in time, as an outage',
    () => {
      const breaker = breakerOf('server')
      let opened = false
      return clientOf(async (work) => {
        opened ||= breaker.open
        if (opened) throw unavailable()
        return breaker.run(work).catch(coded)
      })
    },
  ],
  [
    'it acknowledges what it keeps for later, and loses it',
    killing,
    'under load',
    () => changing((_kept, right) => ({ ...right, create: (...given) => right.create(...given).catch(() => true) })),
  ],
  [
    'it acknowledges first, and writes then',
    freezing,
    'under load',
    () =>
      changing((kept, right, server) => ({
        ...right,
        async create(id, value, options) {
          if ((await right.get(id)) !== undefined) return false
          if (server.state !== 'well') throw unavailable()
          setTimeout(() => server.state === 'well' && kept.create(id, value, options), 1)
          return true
        },
      })),
  ],
  [
    'it writes the entry, then its index',
    killing,
    'under load',
    () =>
      changing((_kept, right) => ({
        ...right,
        async create(id, value, options) {
          if (!(await right.create(id, value))) return false
          // On its way to the index, which is elsewhere.
          await pause(5)
          for (;;) {
            const version = (await right.get(id))?.version
            if (version === undefined || (await right.replace(id, version, value, options))) return true
          }
        },
      })),
  ],
  [
    'take reads, then removes',
    killing,
    'under load',
    () =>
      changing((_kept, right) => ({
        ...right,
        async take(id) {
          const value = (await right.get(id))?.value
          await right.remove(id)
          return value
        },
      })),
  ],
  [
    'a create whose answer was lost is repeated, and takes itself for another',
    slowing,
    'slow server under load',
    () => changing((_kept, right) => ({ ...right, create: (...given) => twice(() => right.create(...given)) })),
  ],
  [
    'a create that is repeated answers true for whatever is there',
    slowing,
    'slow server under load',
    () =>
      changing((_kept, right) => ({
        ...right,
        create: (...given) => right.create(...given).catch(() => right.create(...given).then(() => true)),
      })),
  ],
  [
    'replace does not compare when it is repeated',
    slowing,
    'slow server under load',
    () =>
      changing((kept, right) => ({
        ...right,
        async replace(id, version, value, options) {
          const late = await right.replace(id, version, value, options).catch(() => undefined)
          if (late !== undefined) return late
          // The document of an older time, as a cache would have it.
          const now = await kept.get(id)
          await kept.replace(id, now?.version ?? 0, 0, options)
          return true
        },
      })),
  ],
  [
    'a full server acknowledges',
    filling,
    'a full server',
    () => changing((_kept, right) => ({ ...right, create: (...given) => right.create(...given).catch(() => true) })),
  ],
  [
    'a full server is taken for a dead one',
    filling,
    'a full server',
    () => {
      const breaker = breakerOf('server', () => true)
      return clientOf((work) => breaker.run(work).catch(coded))
    },
  ],
  [
    'a read-only server is taken for a dead one',
    denying,
    'a read-only server',
    () => {
      const breaker = breakerOf('server', () => true)
      return clientOf((work) => breaker.run(work).catch(coded))
    },
  ],
  [
    'take gives what it could not remove',
    denying,
    'a read-only server',
    () =>
      changing((_kept, right) => ({
        ...right,
        take: (id) => right.take(id).catch(async () => (await right.get(id))?.value),
      })),
  ],
  [
    'a server without a free connection is an error of another kind',
    crowding,
    'without a free connection',
    () => {
      const breaker = breakerOf('server')
      return clientOf((work) => breaker.run(work))
    },
  ],
]

describe('the fault suite finds a store in which', () => {
  it.each(DEFECTS)('%s', { timeout: 120_000 }, async (_mistake, rows, found, client) => {
    expect((await failing(rows, client)).join('\n')).toContain(found)
  })

  it('a call that was given up on rejects with nobody to hear it', async () => {
    // Vitest would count it against this file; here it is what shall be found.
    const listeners = process.listeners('unhandledRejection')
    process.removeAllListeners('unhandledRejection')
    process.on('unhandledRejection', () => undefined)
    const failed = await failing(killing.slice(0, 1), () =>
      changing((_kept, right) => ({
        ...right,
        get(id) {
          const answer = right.get(id)
          answer.finally(() => undefined)
          return answer
        },
      })),
    )
    process.removeAllListeners('unhandledRejection')
    for (const listener of listeners) process.on('unhandledRejection', listener)
    expect(failed).toHaveLength(1)
  })

  it('a server forgets what it acknowledged when it is killed, where it is said to be durable, and only there', async () => {
    for (const durable of [true, false]) {
      const failed = await failing(killing.slice(3), () => rightClient(), { durable, forgets: true })
      expect(failed).toHaveLength(durable ? 1 : 0)
    }
  })
})

/** Runs rows. @returns the titles of those that fail */
async function failing(
  rows: readonly FaultBehaviour[],
  client: () => Client,
  { durable = true, forgets = false } = {},
): Promise<string[]> {
  const failed: string[] = []
  for (const row of rows) {
    const server = new FaultyServer(forgets)
    const context = openFaultContext(underTest(server, [client(), client()]), { deadline: DEADLINE, durable, patience: 4000 })
    await checkFault(context, row).catch(() => failed.push(row.title))
    await context.close()
  }
  return failed
}

/** A right client, changed. */
function changing(change: (kept: Kept, right: Kept, server: FaultyServer) => Kept): Client {
  const client = rightClient()
  return (server, kept) => change(kept, client(server, kept), server)
}

/** A client whose events are told otherwise. */
function telling(ofLoss: (losses: number) => boolean, ofReturn: () => boolean): Client {
  const breaker: Breaker = breakerOf(undefined)
  let losses = 0
  return clientOf(async (work) => {
    const before = breaker.open
    try {
      const answer = await breaker.run(work)
      if (before && ofReturn()) backendRestoredEvent.publish({ backend: 'server', lostFor: 1 })
      return answer
    } catch (error) {
      if (breaker.open) losses += 1
      if (breaker.open && ofLoss(losses)) backendLostEvent.publish({ backend: 'server', code: 'gone' })
      return coded(error)
    }
  })
}

async function twice<T>(call: () => Promise<T>): Promise<T> {
  return call().catch(call)
}
