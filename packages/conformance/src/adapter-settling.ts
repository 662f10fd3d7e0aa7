import { once } from 'node:events'
import { type Guard, json } from '@portcullis/core'
import { assert } from 'vitest'
import { counted, endpoint, gate, refuses, route, watcher } from './adapter-parts.ts'
import type { AdapterBehaviour } from './adapter-subject.ts'
import { bytesOf, open, send } from './adapter-wire.ts'

export const settling: readonly AdapterBehaviour[] = [
  {
    title: 'every guard that asked is told once how the request ended',
    async check({ ask }) {
      const watches = [watcher(), watcher(), watcher()] as const
      const [atEntrance, first, second] = watches
      await ask({
        entrance: { guards: [atEntrance.guard] },
        parts: [route({ guards: [first.guard, second.guard], handler: () => ({ status: 201, body: 'x' }) })],
      })
      await Promise.all(watches.map(({ settled }) => settled))
      for (const { outcomes } of watches) assert.deepEqual(outcomes, [{ status: 201, completed: true }])
    },
  },
  {
    title: 'a guard is told as well when a later one refuses',
    async check({ ask }) {
      const watch = watcher()
      await ask({ parts: [route({ guards: [watch.guard, refuses(403)] })] })
      await watch.settled
      assert.deepEqual(watch.outcomes, [{ status: 403, completed: true }])
    },
  },
  {
    title: 'a settle that throws does not keep the others from being told, and is an event',
    async check({ ask, eventsOf }) {
      const watch = watcher()
      const broken: Guard = () => ({
        type: 'continue',
        settle() {
          throw new RangeError('settle')
        },
      })
      const response = await ask({ parts: [route({ guards: [broken, watch.guard] })] })
      assert.equal(response.status, 200)
      await watch.settled
      assert.include(eventsOf('core.guard_failed')[0]?.data, { error: 'RangeError' })
    },
  },
  {
    title: 'a client that leaves while a guard waits: settled once, no handler, no answer, no decision',
    async check({ start, eventsOf }) {
      const [watch, entered, release, handled] = [watcher(), gate(), gate(), counted()]
      const waits: Guard = async () => {
        entered.open()
        await release.passed
        return { type: 'continue' }
      }
      const waiting = route({ path: '/waits', guards: [watch.guard, waits], handler: handled.handler })
      const app = await start({ parts: [waiting, route()] })
      const socket = await open(app.port)
      socket.write(bytesOf({ target: '/waits' }))
      await entered.passed
      socket.destroy()
      assert.deepEqual(await watch.settled, { status: undefined, completed: false })
      release.open()
      // A whole other request: whatever the first one still had to do is done.
      assert.equal((await send(app.port)).status, 200)
      assert.equal(handled.runs, 0)
      assert.lengthOf(watch.outcomes, 1)
      assert.lengthOf(eventsOf('core.decision'), 1)
    },
  },
  {
    title: 'a client that leaves while a guard waits to refuse: settled once, and nothing breaks',
    async check({ start }) {
      const [watch, entered, release] = [watcher(), gate(), gate()]
      const waits: Guard = async (req) => {
        entered.open()
        await release.passed
        return refuses(403)(req)
      }
      const app = await start({ parts: [route({ path: '/waits', guards: [watch.guard, waits] }), route()] })
      const socket = await open(app.port)
      socket.write(bytesOf({ target: '/waits' }))
      await entered.passed
      socket.destroy()
      await watch.settled
      release.open()
      assert.equal((await send(app.port)).status, 200)
      assert.deepEqual(watch.outcomes, [{ status: undefined, completed: false }])
    },
  },
  {
    title: 'a client that leaves while the entrance waits: no route is asked',
    async check({ start }) {
      const [watch, entered, release, handled] = [watcher(), gate(), gate(), counted()]
      const waits: Guard = async (req) => {
        if (req.target === '/waits') {
          entered.open()
          await release.passed
        }
        return { type: 'continue' }
      }
      const asked: string[] = []
      const notes: Guard = (req) => {
        asked.push(req.target)
        return { type: 'continue' }
      }
      const app = await start({
        entrance: { guards: [watch.guard, waits] },
        parts: [route({ path: '/waits', guards: [notes], handler: handled.handler }), route({ guards: [notes] })],
      })
      const socket = await open(app.port)
      socket.write(bytesOf({ target: '/waits' }))
      await entered.passed
      socket.destroy()
      await watch.settled
      release.open()
      await send(app.port)
      assert.deepEqual(asked, ['/'])
      assert.equal(handled.runs, 0)
    },
  },
  {
    title: 'a client that leaves while the handler works: settled once, as not completed, and the signal aborts',
    async check({ start }) {
      const [watch, entered, release] = [watcher(), gate(), gate()]
      let signal: AbortSignal | undefined
      const keeps: Guard = (req) => {
        signal = req.signal
        return { type: 'continue' }
      }
      const slow = route({
        path: '/slow',
        guards: [watch.guard, keeps],
        async handler() {
          entered.open()
          await release.passed
          return { body: 'too late' }
        },
      })
      const app = await start({ parts: [slow, route()] })
      const socket = await open(app.port)
      socket.write(bytesOf({ target: '/slow' }))
      await entered.passed
      assert.isFalse(signal?.aborted)
      socket.destroy()
      await watch.settled
      assert.isTrue(signal?.aborted)
      release.open()
      await send(app.port)
      assert.deepEqual(watch.outcomes, [{ status: undefined, completed: false }])
    },
  },
  {
    title: 'a client that leaves in the middle of a long answer: settled once, as not completed',
    async check({ start }) {
      const watch = watcher()
      const app = await start({ parts: [route({ guards: [watch.guard], handler: () => ({ body: 'x'.repeat(64_000_000) }) })] })
      const socket = await open(app.port)
      socket.write(bytesOf({}))
      await once(socket, 'data')
      socket.destroy()
      await watch.settled
      assert.deepEqual(watch.outcomes, [{ status: 200, completed: false }])
    },
  },
  {
    title: 'a client that leaves while an endpoint works: settled once, and nothing breaks',
    async check({ start }) {
      const [watch, entered, release] = [watcher(), gate(), gate()]
      const run = async () => {
        entered.open()
        await release.passed
        return json({})
      }
      const app = await start({
        parts: [{ kind: 'mount', endpoints: [endpoint(run, { guards: [watch.guard], method: 'GET' })] }, route()],
      })
      const socket = await open(app.port)
      socket.write(bytesOf({ target: '/endpoint' }))
      await entered.passed
      socket.destroy()
      await watch.settled
      release.open()
      assert.equal((await send(app.port)).status, 200)
      assert.deepEqual(watch.outcomes, [{ status: undefined, completed: false }])
    },
  },
]
