import fastify, { type FastifyInstance } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { afterEach, expect, it } from 'vitest'
import { assertCovered, guard, opaque, open, portcullis, routes } from '../src/index.ts'

const anyone = open('test')
const apps: FastifyInstance[] = []
afterEach(() => Promise.all(apps.splice(0).map((app) => app.close())))

async function application(): Promise<FastifyInstance> {
  const app = fastify()
  apps.push(app)
  await app.register(portcullis({ production: false }))
  return app
}

async function codeOf(app: FastifyInstance): Promise<unknown> {
  try {
    await assertCovered(app)
    return 'none'
  } catch (error) {
    return (error as { code: unknown }).code
  }
}

it('a handler of what is not found may answer with a page, and is acknowledged', async () => {
  const app = await application()
  app.setNotFoundHandler(function sendPage(_request, reply) {
    reply.code(200).send('page')
  })
  await app.register(
    async (inner) => {
      inner.setNotFoundHandler((_request, reply) => reply.code(200).send('page'))
    },
    { prefix: '/in' },
  )
  expect(await codeOf(app)).toBe('core.handlers_opaque')
  expect(opaque(app)).toMatchObject([
    { name: 'sendPage', place: 'not found under /*', source: expect.stringMatching(/coverage\.test\.ts:\d+$/) },
    { name: '<anonymous>', place: 'not found under /in/*' },
  ])
  await assertCovered(app, { opaque: ['sendPage', '<anonymous>'] })
  for (const url of ['/nowhere', '/in/nowhere']) expect((await app.inject(url)).statusCode).toBe(500)
})

it('a handler of what is not found has a rule where a guard is a hook', async () => {
  const app = await application()
  app.addHook('onRequest', guard([], open('the page')).onRequest)
  app.setNotFoundHandler(function sendPage(_request, reply) {
    reply.code(200).send('page')
  })
  expect(await codeOf(app)).toBe('none')
  expect(routes(app)).toMatchObject([{ method: '*', pattern: '/*', policy: { label: 'the page' } }])
  expect((await app.inject('/nowhere')).body).toBe('page')
})

it('hooks of every phase that may answer are listed once, with their place, also those of plugins', async () => {
  const app = await application()
  const hooks = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const
  for (const phase of hooks)
    app.addHook(phase as 'onRequest', function early(_request, _reply, done) {
      done()
    })
  await app.register(
    async (inner) => {
      inner.addHook('preHandler', function late(_request, _reply, done) {
        done()
      })
      inner.get('/x', guard([], anyone), async () => 'x')
    },
    { prefix: '/in' },
  )
  await app.register(
    fastifyPlugin(async (same) => {
      same.addHook('onRequest', async function shared() {})
    }),
  )
  // These change what is sent, or look at it, and answer nothing.
  app.addHook('onSend', async (_request, _reply, payload) => payload)
  app.addHook('onResponse', async () => {})
  app.addHook('onError', async () => {})
  await app.ready()
  expect(opaque(app).map(({ name, place }) => `${name} ${place}`)).toEqual([
    'early onRequest of /*',
    'shared onRequest of /*',
    'early preParsing of /*',
    'early preValidation of /*',
    'early preHandler of /*',
    'late preHandler of /in/*',
  ])
})

it('a guard in a plugin is the rule of routes that another plugin declares in it, as one that serves files does', async () => {
  const app = await application()
  const files = fastifyPlugin(async (inner: FastifyInstance) => {
    inner.get('/files/*', async () => 'file')
  })
  await app.register(async (scope) => {
    scope.addHook('onRequest', guard([], open('files of the page')).onRequest)
    await scope.register(files)
  })
  expect(await codeOf(app)).toBe('none')
  expect(routes(app)).toMatchObject([{ method: 'GET', pattern: '/files/*', policy: { label: 'files of the page' } }])
  expect((await app.inject('/files/x')).body).toBe('file')
})

it('a guard of a route is listed, and not the one of its plugin', async () => {
  const app = await application()
  app.addHook('onRequest', guard([], open('outer')).onRequest)
  app.get('/x', guard([], open('own')), async () => 'x')
  await app.ready()
  expect(routes(app)).toMatchObject([{ pattern: '/x', policy: { label: 'own' } }])
})

it('a hook in front of a guard in a plugin may answer before it', async () => {
  const app = await application()
  app.addHook('onRequest', async function serveEarly(_request, reply) {
    return reply.send('served')
  })
  app.addHook('onRequest', guard([], anyone).onRequest)
  expect(await codeOf(app)).toBe('core.handlers_opaque')
})
