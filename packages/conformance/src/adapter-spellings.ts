import { assert } from 'vitest'
import { refuses, route, says } from './adapter-parts.ts'
import type { AdapterBehaviour, AdapterContext, Part } from './adapter-subject.ts'
import { type RawRequest, send } from './adapter-wire.ts'

// Flowise GHSA-wvhq-wp8g-c7vq, Nest CVE-2025-69211, middie CVE-2026-2880 and CVE-2026-33804, Hono GHSA-q5qw-h33p-qvwr: a guard and
// a router that read one path in two ways. These are the ways.
const spellings: readonly string[] = [
  '/admin/users',
  '/ADMIN/users',
  '/admin/USERS',
  '/%61dmin/users',
  '/admin/%75sers',
  '/admin/user%73',
  '/%41dmin/users',
  '/%2561dmin/users',
  '//admin/users',
  '/admin//users',
  '/admin/users/',
  '/admin/users//',
  '/admin/users;x',
  '/admin/users;a=b',
  '/admin;a=b/users',
  '/;/admin/users',
  '/./admin/users',
  '/admin/./users',
  '/x/../admin/users',
  '/admin/../admin/users',
  '/admin/%2e/users',
  '/admin%2Fusers',
  '/%2Fadmin/users',
  '/admin/users%2F',
  '/admin%5Cusers',
  '/admin\\users',
  '/admin/users%00',
  '/admin/users%20',
  '/admin/users%3Fx',
  '/admin/users%',
  '/admin/users.json',
  '/admin/users?x=/public',
  '/admin/users?',
  '/admin/users#public',
  '/public/../admin/users',
  '/public/%2e%2e/admin/users',
  'http://api.example/admin/users',
  'http://api.example/ADMIN/users',
  'http://api.example//admin/users',
  'HTTP://evil.example/admin/users',
  'https://api.example/admin/users/',
]

const methods: readonly (readonly [string, RawRequest])[] = [
  ['GET', { method: 'GET' }],
  ['HEAD', { method: 'HEAD' }],
  ['POST', { method: 'POST', body: '' }],
  ['OPTIONS', { method: 'OPTIONS' }],
  ['POST overriding to GET', { method: 'POST', body: '', headers: [['X-HTTP-Method-Override', 'GET']] }],
  ['GET that says it comes from inside', { method: 'GET', headers: internal() }],
]

function internal(): [string, string][] {
  return [
    ['X-Original-URL', '/public'],
    ['X-Rewrite-URL', '/public'],
    ['X-Forwarded-Prefix', '/public'],
    ['X-Middleware-Subrequest', '1'],
  ]
}

/** The same handler behind a literal route, a parameter, and a nested router, next to a route that anyone may call. */
function shapes(protect: (path: string, method: string) => Part): Readonly<Record<string, readonly Part[]>> {
  const visible = route({ path: '/public' })
  return {
    'a literal route': [visible, protect('/admin/users', 'GET'), protect('/admin/users', 'POST')],
    'a route with a parameter': [visible, protect('/admin/:what', 'GET'), protect('/:any/users', 'POST')],
    'a route for every method': [visible, protect('/admin/users', 'ALL')],
    'a nested router': [
      { kind: 'nested', prefix: '/admin', parts: [protect('/users', 'GET'), protect('/users', 'POST')] },
      visible,
    ],
  }
}

async function sendAll({ start }: AdapterContext, router: Readonly<Record<string, unknown>>, allow: boolean): Promise<string[]> {
  const reached: string[] = []
  let guarded = false
  const protect = (path: string, method: string): Part =>
    route({
      path,
      method,
      guards: [
        (req) => {
          guarded = true
          return allow ? says()(req) : refuses(403)(req)
        },
      ],
      handler() {
        reached.push(guarded ? 'guarded' : 'unguarded')
        return { body: 'secret' }
      },
    })
  for (const [shape, parts] of Object.entries(shapes(protect))) {
    const app = await start({ router, parts })
    for (const [what, request] of methods) {
      for (const target of spellings) {
        guarded = false
        const response = await send(app.port, { ...request, target })
        const told = `${what} ${target} on ${shape}: ${response.status}`
        if (!allow) assert.notInclude(response.body, 'secret', told)
        assert.notInclude(reached, 'unguarded', told)
        if (!allow) assert.isEmpty(reached, told)
        // Whatever is answered well here was either asked, or is the framework's own list of methods.
        if (response.status < 400 && !guarded) assert.isNotEmpty(response.lines('allow'), told)
      }
    }
  }
  return reached
}

export function spelled(settings: Readonly<Record<string, Readonly<Record<string, unknown>>>>): readonly AdapterBehaviour[] {
  return Object.entries(settings).flatMap(([name, router]): AdapterBehaviour[] => [
    {
      title: `no spelling of a path or method reaches a handler that is refused (${name})`,
      async check(context) {
        assert.isEmpty(await sendAll(context, router, false))
      },
    },
    {
      title: `every spelling that reaches a handler was asked before (${name})`,
      async check(context) {
        const reached = await sendAll(context, router, true)
        // It would prove nothing if none reached it.
        assert.isAbove(reached.length, 20)
      },
    },
  ])
}

export const heads: readonly AdapterBehaviour[] = [
  {
    title: 'HEAD on a GET route asks its guards, and is answered without a body',
    async check({ start }) {
      let asked = 0
      const guards = [
        () => {
          asked++
          return { type: 'continue' } as const
        },
      ]
      const app = await start({ parts: [route({ guards }), route({ path: '/refused', guards: [refuses(403)] })] })
      const response = await send(app.port, { method: 'HEAD' })
      assert.deepEqual([response.status, response.body, asked], [200, '', 1])
      const refused = await send(app.port, { method: 'HEAD', target: '/refused' })
      assert.deepEqual([refused.status, refused.body], [403, ''])
      assert.deepEqual(refused.lines('content-type'), ['application/problem+json'])
    },
  },
]
