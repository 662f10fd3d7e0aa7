import { authenticated, CoreError, type Guard } from '@portcullis/core'
import { assert } from 'vitest'
import { counted, knows, later, refuses, route, says, watcher } from './adapter-parts.ts'
import type { AdapterBehaviour } from './adapter-subject.ts'
import { send } from './adapter-wire.ts'

const timing: readonly (readonly [string, <F>(guard: Guard<F>) => Guard<F>])[] = [
  ['at once', (guard) => guard],
  ['later', later],
]

export const deciding: readonly AdapterBehaviour[] = [
  ...timing.flatMap(([when, timed]): AdapterBehaviour[] => [
    {
      title: `a guard that lets through ${when} lets the handler answer`,
      async check({ ask }) {
        const response = await ask({ entrance: { guards: [timed(says())] }, parts: [route({ guards: [timed(says())] })] })
        assert.deepEqual([response.status, response.body], [200, 'handled'])
      },
    },
    {
      title: `the first reply wins ${when}: no later guard and no handler runs`,
      async check({ ask }) {
        const asked: string[] = []
        const noted = (name: string, guard: Guard): Guard =>
          timed((req) => {
            asked.push(name)
            return guard(req)
          })
        const handled = counted()
        const guards = [noted('a', says()), noted('b', refuses(403)), noted('c', refuses(418))]
        const response = await ask({ parts: [route({ guards, handler: handled.handler })] })
        assert.equal(response.status, 403)
        assert.deepEqual(asked, ['a', 'b'])
        assert.equal(handled.runs, 0)
      },
    },
    {
      title: `a refusal at the entrance ${when} is the answer, and no route is asked`,
      async check({ ask, eventsOf }) {
        const handled = counted()
        const app = { entrance: { guards: [timed(refuses(421))] }, parts: [route({ guards: [refuses(403)], ...handled })] }
        const response = await ask(app)
        assert.equal(response.status, 421)
        assert.equal(handled.runs, 0)
        assert.deepEqual(
          eventsOf('core.decision').map(({ data }) => data),
          [
            {
              outcome: 'refused',
              method: 'GET',
              route: undefined,
              policy: undefined,
              status: 421,
              principal: undefined,
              clientId: undefined,
              reason: { code: 'test.refused', message: 'for the log' },
            },
          ],
        )
      },
    },
    {
      title: `a guard that throws ${when} is answered with 500, and nothing of its error gets out`,
      async check({ ask, events, eventsOf }) {
        const handled = counted()
        const watch = watcher()
        const throws: Guard = timed(function brokenGuard() {
          throw new RangeError('s3cret of the error')
        })
        const response = await ask({ parts: [route({ guards: [watch.guard, throws], handler: handled.handler })] })
        assert.equal(response.status, 500)
        assert.deepEqual(response.lines('content-type'), ['application/problem+json'])
        assert.deepEqual(JSON.parse(response.body), { type: 'about:blank', title: 'Internal Server Error', status: 500 })
        assert.equal(handled.runs, 0)
        assert.notInclude(response.raw, 's3cret')
        assert.notInclude(JSON.stringify(events), 's3cret')
        assert.lengthOf(eventsOf('core.guard_failed'), 1)
        assert.include(eventsOf('core.guard_failed')[0]?.data, { route: '/', error: 'RangeError' })
        assert.include(eventsOf('core.decision')[0]?.data, { outcome: 'failed', status: 500 })
        await watch.settled
        assert.deepEqual(watch.outcomes, [{ status: 500, completed: true }])
      },
    },
  ]),
  {
    title: 'a handler reads what each guard found out, and is told when one did not run',
    async check({ ask }) {
      const number: Guard<{ readonly id: number }> = () => ({ type: 'continue', facts: { id: 7 } })
      const text: Guard<{ readonly name: string }> = later(() => ({ type: 'continue', facts: { name: 'ada' } }))
      const absent: Guard<{ readonly id: number }> = () => ({ type: 'continue', facts: { id: 8 } })
      const response = await ask({
        entrance: { guards: [number] },
        parts: [
          route({
            guards: [text],
            handler({ facts }) {
              const found: [number, string] = [facts(number).id, facts(text).name]
              try {
                return { body: String(facts(absent).id) }
              } catch (error) {
                return { body: [...found, error instanceof CoreError && error.code].join() }
              }
            },
          }),
        ],
      })
      assert.equal(response.body, '7,ada,core.facts_missing')
    },
  },
  {
    title: 'a handler reads who is calling',
    async check({ ask }) {
      const app = {
        parts: [
          route({
            guards: [knows({ subject: 'grace' })],
            policy: authenticated(),
            handler: ({ principal }) => ({ body: principal()?.subject ?? 'nobody' }),
          }),
        ],
      }
      assert.equal((await ask(app)).body, 'grace')
    },
  },
  {
    title: 'two guards that name different callers are a conflict, answered with 500',
    async check({ ask, eventsOf }) {
      const handled = counted()
      const guards = [knows({ subject: 'ada' }), knows({ subject: 'grace' })]
      const response = await ask({ parts: [route({ guards, policy: authenticated(), handler: handled.handler })] })
      assert.equal(response.status, 500)
      assert.equal(handled.runs, 0)
      assert.include(eventsOf('core.guard_failed')[0]?.data, { code: 'core.principal_conflict' })
    },
  },
  {
    title: 'requests at the same time do not see each other',
    async check({ start }) {
      const who: Guard<{ readonly target: string }> = later((req) => ({ type: 'continue', facts: { target: req.target } }))
      const app = await start({
        parts: [route({ path: '/:id', guards: [who], handler: ({ facts }) => ({ body: facts(who).target }) })],
      })
      const targets = Array.from({ length: 50 }, (_, at) => `/${at}?q=${at}`)
      const responses = await Promise.all(targets.map((target) => send(app.port, { target })))
      assert.deepEqual(
        responses.map(({ body }) => body),
        targets,
      )
    },
  },
  {
    title: 'a guard without the entrance is an error, and its handler does not run',
    async check({ ask }) {
      const handled = counted()
      const response = await ask({ entrance: false, parts: [route({ handler: handled.handler })] })
      assert.equal(response.status, 500)
      assert.equal(handled.runs, 0)
    },
  },
]
