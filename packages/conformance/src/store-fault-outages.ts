import { setTimeout as pause } from 'node:timers/promises'
import type { Collection, Json } from '@portcullis/core'
import { assert, expect } from 'vitest'
import { Load } from './store-fault-load.ts'
import {
  answer,
  comesBack,
  eventually,
  type FaultBehaviour,
  type FaultContext,
  fault,
  freshId,
  type StoreFaults,
  withEvents,
} from './store-fault-subject.ts'
import { collect } from './store-subject.ts'

/** What holds while nobody answers, whatever the reason, and after. */
function outage(
  state: string,
  begin: keyof StoreFaults,
  end: keyof StoreFaults,
  keeps: (context: FaultContext) => boolean,
): readonly FaultBehaviour[] {
  return [
    {
      title: `while its server is ${state}, every verb of every connection rejects in time, as an outage`,
      async check(context) {
        const id = freshId()
        await context.connections[0].create(id, 1, { index: { user: id } })
        await fault(context, begin)()
        for (let time = 0; time < 2; time++) {
          const calls = context.connections.flatMap((collection) => Object.entries(verbs(collection, id)))
          const outcomes = await Promise.all(calls.map(async ([verb, call]) => [verb, await answer(context, call)] as const))
          const answered = outcomes.filter(([, outcome]) => outcome.answered).map(([verb]) => verb)
          expect(answered, 'verbs that answered though nobody was there').toEqual([])
        }
        await fault(context, end)()
        await comesBack(context)
      },
    },
    {
      title: `that its server is ${state} is told once, whatever number of calls fail, and that it is back once`,
      async check(context) {
        await withEvents(async ({ lost, restored }) => {
          await fault(context, begin)()
          let failed = 0
          await eventually(context, 'the loss is told', async () => {
            failed += await failures(context, 40)
            return lost.length > 0
          })
          while (failed < 300) failed += await failures(context, 40)
          expect(lost, 'core.backend_lost').toHaveLength(1)
          expect(restored, 'core.backend_restored').toHaveLength(0)
          expect(lost[0]?.data.backend).not.toBe('')
          await fault(context, end)()
          await eventually(context, 'it is told that it is back', async () => {
            await failures(context, 1)
            return restored.length > 0
          })
          await eventually(context, 'it works again by itself', async () => (await failures(context, 20)) === 0)
          await failures(context, 20)
          expect([lost.length, restored.length], 'core.backend_lost and core.backend_restored').toEqual([1, 1])
          expect(restored[0]?.data).toMatchObject({ backend: lost[0]?.data.backend, lostFor: expect.any(Number) })
        })
      },
    },
    {
      title: `while its server is ${state}, calls fail at once: a thousand of them do not wait a deadline each`,
      async check(context) {
        const { deadline } = context
        await fault(context, begin)()
        for (let time = 0; time < 3; time++) await failures(context, 20)
        let waited = 0
        const calls: Promise<void>[] = []
        for (let wave = 0; wave < 50; wave++) {
          for (let n = 0; n < 20; n++) {
            const started = performance.now()
            const call = answer(context, () => context.connections[0].get(freshId())).then(({ answered }) => {
              assert(!answered, 'a call was answered though nobody was there')
              if (performance.now() - started >= deadline * 0.9) waited += 1
            })
            // What it throws is seen below, after the others were sent.
            call.catch(() => undefined)
            calls.push(call)
          }
          await pause(10)
        }
        await Promise.all(calls)
        // Some try whether it is back.
        expect(waited, 'calls of 1,000 that waited for the deadline').toBeLessThanOrEqual(50)
        await fault(context, end)()
        await comesBack(context)
      },
    },
    {
      title: `while its server is ${state}, those who ask one call after another do not wait a deadline each either`,
      async check(context) {
        const { deadline } = context
        await fault(context, begin)()
        for (let time = 0; time < 3; time++) await failures(context, 20)
        let waited = 0
        for (let n = 0; n < 20; n++) {
          const started = performance.now()
          const { answered } = await answer(context, () => context.connections[0].get(freshId()))
          assert(!answered, 'a call was answered though nobody was there')
          if (performance.now() - started >= deadline * 0.9) waited += 1
        }
        expect(waited, 'calls of 20 that waited for the deadline').toBeLessThanOrEqual(5)
        await fault(context, end)()
        await comesBack(context)
      },
    },
    {
      title: `its server is ${state} under load, twice: no answer is wrong, nothing is half there, nothing is taken twice`,
      async check(context) {
        const load = new Load(context, keeps(context))
        try {
          for (let time = 0; time < 2; time++) {
            const written = load.acknowledged
            await load.until('the load writes', () => load.acknowledged >= written + 50)
            const failed = load.rejected
            await fault(context, begin)()
            await load.until('calls are rejected', () => load.rejected >= failed + 20)
            await fault(context, end)()
            await comesBack(context)
          }
          const written = load.acknowledged
          await load.until('the load writes again', () => load.acknowledged >= written + 50)
        } finally {
          await load.stop()
        }
        await load.verify(keeps(context))
      },
    },
  ]
}

/** The server is gone, and comes back. */
export const killing: readonly FaultBehaviour[] = outage('dead', 'kill', 'restart', ({ durable }) => durable)

/** The server hangs, and goes on. */
export const freezing: readonly FaultBehaviour[] = outage('frozen', 'freeze', 'thaw', () => true)

function verbs(collection: Collection<Json>, id: string): Record<string, () => Promise<unknown>> {
  return {
    get: () => collection.get(id),
    create: () => collection.create(freshId(), 1),
    'create of what is there': () => collection.create(id, 2),
    replace: () => collection.replace(id, 1, 2),
    take: () => collection.take(freshId()),
    remove: () => collection.remove(freshId()),
    find: () => collect(collection.find('user', id)),
  }
}

/** Calls of all verbs at once, on the first connection. @returns how many were rejected */
async function failures(context: FaultContext, calls: number): Promise<number> {
  const uses = Object.values(verbs(context.connections[0], freshId()))
  const outcomes = await Promise.all(
    Array.from({ length: calls }, (_, n) => {
      const use = uses[n % uses.length]
      assert(use !== undefined)
      return answer(context, use)
    }),
  )
  return outcomes.filter(({ answered }) => !answered).length
}
