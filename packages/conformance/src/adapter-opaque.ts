import { open as openTo } from '@portcullis/core'
import { assert } from 'vitest'
import { anyone, codeOf, failureOf, middleware, refuses, route } from './adapter-parts.ts'
import type { AdapterBehaviour, Part } from './adapter-subject.ts'
import { send } from './adapter-wire.ts'

const places: Readonly<Record<string, (part: Part) => Part>> = {
  'the application': (part) => part,
  'a router': (part) => ({ kind: 'nested', prefix: '/in', parts: [part, route({ path: '/x' })] }),
  'a mounted application': (part) => ({ kind: 'app', prefix: '/in', parts: [part, route({ path: '/x' })] }),
}

export const opaqueHandlers: readonly AdapterBehaviour[] = [
  {
    title: 'middleware that may answer stops the start, wherever it stands, by its name, with file and line',
    async check({ start }) {
      for (const [where, put] of Object.entries(places)) {
        const app = await start({ parts: [put(middleware()), route()] })
        const failure = await failureOf(() => app.assertCovered())
        assert.equal(failure?.code, 'core.handlers_opaque', where)
        assert.match(failure?.message ?? '', /\n {2}serveFiles at .*\/\*.* \(.+\.[cm]?[jt]s:\d+\)/, where)
        assert.deepEqual(
          app.opaque().map(({ name }) => name),
          ['serveFiles'],
          where,
        )
      }
    },
  },
  {
    title: 'it is acknowledged by its name',
    async check({ start }) {
      for (const [where, put] of Object.entries(places)) {
        const app = await start({ parts: [put(middleware()), route()] })
        assert.equal(await codeOf(() => app.assertCovered({ opaque: ['serveFiles'] })), 'none', where)
      }
    },
  },
  {
    title: 'one acknowledgement is for one handler, and another of that name is not forgotten with it',
    async check({ start }) {
      const app = await start({ parts: [middleware({ path: '/a' }), middleware({ path: '/b' }), route()] })
      const failure = await failureOf(() => app.assertCovered({ opaque: ['serveFiles'] }))
      assert.equal(failure?.code, 'core.handlers_opaque')
      assert.match(failure?.message ?? '', /^1 of what/)
      assert.equal(await codeOf(() => app.assertCovered({ opaque: ['serveFiles', 'serveFiles'] })), 'none')
    },
  },
  {
    title: 'an acknowledgement of what is not there is refused, so that nothing comes by its name later',
    async check({ start }) {
      const app = await start({ parts: [route()] })
      const failure = await failureOf(() => app.assertCovered({ opaque: ['serveFiles'] }))
      assert.equal(failure?.code, 'core.acknowledgement_stale')
      assert.include(failure?.message, 'serveFiles')
    },
  },
  {
    title: 'middleware without a name is told by file and line',
    async check({ start }) {
      const app = await start({ parts: [middleware({ name: '' }), route()] })
      const failure = await failureOf(() => app.assertCovered({ opaque: [] }))
      assert.match(failure?.message ?? '', /\n {2}<anonymous> at \S.* \(.+\.[cm]?[jt]s:\d+\)/)
    },
  },
  {
    title: 'what it answers is an undecided answer, acknowledged or not',
    async check({ start, eventsOf }) {
      for (const opaque of [undefined, ['serveFiles']]) {
        const app = await start({ entrance: { production: false }, parts: [middleware(), route({ path: '/x' })] })
        if (opaque !== undefined) await app.assertCovered({ opaque })
        for (const method of ['GET', 'HEAD', 'POST']) {
          const response = await send(app.port, { method, target: '/x' })
          assert.equal(response.status, 500)
          assert.notInclude(response.body, 'served')
        }
      }
      assert.lengthOf(eventsOf('core.undecided_response'), 6)
    },
  },
  {
    title: 'middleware behind a guard has a rule: it is listed with it, asked, and no undecided answer',
    async check({ start, eventsOf }) {
      const files = openTo('files of the page')
      const app = await start({ entrance: { production: false }, parts: [middleware({ policy: files }), route({ path: '/x' })] })
      assert.equal(await codeOf(() => app.assertCovered()), 'none')
      assert.isEmpty(app.opaque())
      const [listed] = app.routes().filter(({ policy }) => policy === files)
      assert.deepInclude(listed, { method: '*', pattern: '/*' })
      assert.match(listed?.source ?? '', /:\d+$/)
      const response = await send(app.port, { target: '/anything' })
      // Fastify runs hooks for what it does not find as well.
      assert.deepEqual([response.status, response.body], [200, 'served'])
      assert.isEmpty(eventsOf('core.undecided_response'))
    },
  },
  {
    title: 'the guard in front of middleware refuses',
    async check({ start }) {
      const app = await start({ parts: [middleware({ guards: [refuses(403)], policy: anyone }), route({ path: '/x' })] })
      for (const method of ['GET', 'HEAD', 'POST']) {
        const response = await send(app.port, { method, target: '/anything' })
        assert.deepEqual([response.status, response.body.includes('served')], [403, false])
      }
    },
  },
  {
    title: 'a guard that stands after middleware is none of its rules',
    async check({ start }) {
      const app = await start({ parts: [middleware(), { kind: 'guard', policy: anyone }, route({ path: '/x' })] })
      assert.equal(await codeOf(() => app.assertCovered()), 'core.handlers_opaque')
    },
  },
  {
    title: 'body parsers, the entrance and guards need no acknowledgement',
    async check({ start }) {
      const app = await start({ parts: [{ kind: 'parser' }, { kind: 'guard', policy: anyone }, route()] })
      assert.equal(await codeOf(() => app.assertCovered()), 'none')
      assert.isEmpty(app.opaque())
    },
  },
]
