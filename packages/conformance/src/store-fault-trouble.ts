import type { Collection, Json } from '@portcullis/core'
import { expect } from 'vitest'
import { Load } from './store-fault-load.ts'
import {
  type Answer,
  answer,
  comesBack,
  type FaultBehaviour,
  type FaultContext,
  fault,
  freshId,
  type PreparedEntries,
  prepared,
  reading,
  success,
} from './store-fault-subject.ts'
import { collect } from './store-subject.ts'

/** From this deadline on, in milliseconds, a server whose answers take 200 ms longer, or twice that, is no outage. */
const ENOUGH = 1000
/** Milliseconds for which a load goes on with a slow server that answers too little. */
const MOST_TROUBLE = 3000

/** The server is slow, and drops one connection in ten. */
export const slowing: readonly FaultBehaviour[] = [
  {
    title: 'with a slow server each call answers in time or rejects, and where the deadline allows most answer',
    async check(context) {
      const entries = await prepared(context)
      await fault(context, 'slow')()
      const outcomes: Answer<unknown>[] = []
      for (let wave = 0; wave < 10; wave++) {
        outcomes.push(
          ...(await Promise.all(
            context.connections.flatMap((collection) => [
              answer(context, () => readRightly(collection, entries)),
              answer(context, () => collection.create(freshId(), wave)),
            ]),
          )),
        )
      }
      const answered = outcomes.filter((outcome) => outcome.answered).length
      if (context.deadline >= ENOUGH) expect(answered).toBeGreaterThanOrEqual(outcomes.length / 2)
      await fault(context, 'fast')()
      await comesBack(context)
      await expectUntouched(context, entries)
    },
  },
  {
    title: 'a slow server under load: no answer is wrong, nothing is half there, nothing is lost or taken twice',
    async check(context) {
      const load = new Load(context, true)
      try {
        await load.until('the load writes', () => load.acknowledged >= 50)
        await fault(context, 'slow')()
        const { answered } = load
        const enough = performance.now() + MOST_TROUBLE
        // Where the deadline is shorter than the delay, nothing is answered.
        await load.until('the load is answered, or not', () => load.answered >= answered + 600 || performance.now() > enough)
        await fault(context, 'fast')()
        await comesBack(context)
        const before = load.acknowledged
        await load.until('the load writes again', () => load.acknowledged >= before + 50)
      } finally {
        await load.stop()
      }
      await load.verify(true)
    },
  },
]

/** The server has no room for more. */
export const filling: readonly FaultBehaviour[] = [
  {
    title: 'a full server: creates reject with a code, reads go on, and after it is drained writes work',
    async check(context) {
      const entries = await prepared(context)
      await fault(context, 'fill')()
      const refused: string[] = []
      for (let wave = 0; wave < 10; wave++) {
        for (const collection of context.connections) {
          const ids = Array.from({ length: 10 }, freshId)
          const outcomes = await Promise.all(ids.map((id) => answer(context, () => collection.create(id, 'x'.repeat(2000)))))
          expect(outcomes.filter(({ answered }) => answered)).toEqual([])
          refused.push(...ids)
        }
        await expectUntouched(context, entries)
      }
      const [collection] = context.connections
      for (const id of refused.slice(0, 20)) expect(await reading(context, () => collection.get(id))).toBeUndefined()
      await fault(context, 'drain')()
      await comesBack(context)
      await expectUntouched(context, entries)
      for (const id of refused.slice(0, 20)) {
        expect(await success(context, 'a create', () => collection.create(id, 1)), 'what was refused was written').toBe(true)
      }
    },
  },
]

/** Others hold every connection that the server has. */
export const crowding: readonly FaultBehaviour[] = [
  {
    title: 'a server without a free connection: each call answers rightly or rejects in time, and it works again by itself',
    async check(context) {
      const entries = await prepared(context)
      await fault(context, 'crowd')()
      const created: string[] = []
      for (let wave = 0; wave < 10; wave++) {
        await Promise.all(
          context.connections.map(async (collection) => {
            await answer(context, () => readRightly(collection, entries))
            const id = freshId()
            const outcome = await answer(context, () => collection.create(id, wave))
            if (outcome.answered) created.push(id)
          }),
        )
      }
      await fault(context, 'disperse')()
      await comesBack(context)
      await expectUntouched(context, entries)
      for (const id of created) {
        expect(await reading(context, () => context.connections[0].get(id)), 'an acknowledged create').toBeDefined()
      }
    },
  },
]

/** The server refuses to write. */
export const denying: readonly FaultBehaviour[] = [
  {
    title: 'a read-only server: writes reject with a code, reads go on, and when it is writable again writes work',
    async check(context) {
      const entries = await prepared(context)
      const [first = '', second = ''] = entries.ids
      const { version = 0 } = (await context.connections[0].get(first)) ?? {}
      await fault(context, 'readOnly')()
      for (let wave = 0; wave < 20; wave++) {
        for (const collection of context.connections) {
          const writes: (() => Promise<unknown>)[] = [
            () => collection.create(freshId(), 1),
            () => collection.replace(first, version, 'replaced'),
            () => collection.take(second),
            () => collection.remove(second),
          ]
          const outcomes = await Promise.all([...writes, ...writes, ...writes].map((write) => answer(context, write)))
          expect(outcomes.filter(({ answered }) => answered)).toEqual([])
        }
        await expectUntouched(context, entries)
      }
      await fault(context, 'writable')()
      await comesBack(context)
      await expectUntouched(context, entries)
      expect(await success(context, 'a take', () => context.connections[0].take(second))).toEqual({ id: second })
      const replaced = await success(context, 'a replace', () => context.connections[0].replace(first, version, 'replaced'))
      expect(replaced).toBe(true)
    },
  },
]

/** Reads by id and by index. Fails when what it reads is not what was written. */
async function readRightly(collection: Collection<Json>, { ids, owner }: PreparedEntries): Promise<void> {
  const id = ids[ids.length - 1] ?? ''
  expect((await collection.get(id))?.value, 'what get reads').toEqual({ id })
  const found = await collect(collection.find('user', owner))
  expect(
    found.map((entry) => entry.id),
    'what find reads',
  ).toEqual(ids)
}

/** Reads work, and say what was written. */
async function expectUntouched(context: FaultContext, entries: PreparedEntries): Promise<void> {
  for (const collection of context.connections) await reading(context, () => readRightly(collection, entries))
}
