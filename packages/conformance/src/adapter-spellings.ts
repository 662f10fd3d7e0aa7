import { type Guard, type HeaderList, problem } from '@portcullis/core'
import { assert } from 'vitest'
import { anyone, middleware, refuses, route } from './adapter-parts.ts'
import type { AdapterBehaviour, AdapterContext, HandlerAnswer, HandlerRequest, Part, RoutePart } from './adapter-subject.ts'
import { type RawRequest, send, type WireResponse } from './adapter-wire.ts'

// Flowise GHSA-wvhq-wp8g-c7vq, Nest CVE-2025-69211, middie CVE-2026-2880 and CVE-2026-33804, Hono GHSA-q5qw-h33p-qvwr, better-auth
// GHSA-x732-6j76-qmhm, Express (run): a guard and a router that read one path in two ways. These are the ways to write `/admin/users`.
const spellings: Readonly<Record<string, readonly string[]>> = {
  'as it is': ['/admin/users'],
  'letter case': ['/ADMIN/users', '/admin/USERS', '/Admin/Users'],
  'a letter that folds to another': ['/admin/u%C5%BFers', '/admin/u\u017fers'],
  'an encoded letter': ['/%61dmin/users', '/admin/%75sers', '/admin/user%73', '/%41dmin/users'],
  'an encoded letter, encoded': ['/%2561dmin/users', '/admin/%2575sers'],
  'an overlong encoding': ['/admin%c0%afusers', '/%c1%a1dmin/users'],
  'an empty segment in front': ['//admin/users', '///admin/users', '/%2F/admin/users'],
  'an empty segment within': ['/admin//users', '/admin///users'],
  'a trailing slash': ['/admin/users/', '/admin/users//', '/admin/users/?'],
  'a path parameter': [
    '/admin/users;x',
    '/admin/users;a=b',
    '/admin;a=b/users',
    '/;/admin/users',
    '/admin/;/users',
    '/admin/users%3Bx',
  ],
  'this folder': ['/./admin/users', '/admin/./users', '/admin/users/.'],
  'the folder above': ['/x/../admin/users', '/admin/../admin/users', '/public/../admin/users', '/admin/users/x/..'],
  'encoded dots': ['/admin/%2e/users', '/public/%2e%2e/admin/users', '/public/.%2e/admin/users', '/public/%2e%2e%2fadmin/users'],
  'an encoded slash': ['/admin%2Fusers', '/%2Fadmin/users', '/admin/users%2F', '/admin%252Fusers'],
  'a backslash': ['/admin\\users', '/admin%5Cusers', '\\admin\\users'],
  'a trailing dot': ['/admin/users.', '/admin./users', '/admin/users%2e'],
  'an extension': ['/admin/users.json', '/admin/users.html', '/admin/users.css'],
  'a NUL': ['/admin/users%00', '/admin/users%00.json', '/admin%00/users'],
  'white space': ['/admin/users%20', '/%20/admin/users', '/admin/users%09', '/admin/users%0d%0aX:%20y', '/admin/users%0a'],
  'a query': ['/admin/users?x=/public', '/admin/users?', '/admin/users??', '/admin/users?/../public', '/public?/admin/users'],
  'a query that is encoded or misplaced': ['/admin/users%3Fx', '/admin/users&x', '/admin?/users', '?/admin/users'],
  'a fragment': ['/admin/users#public', '/admin/users%23', '/public#/admin/users'],
  'a broken encoding': ['/admin/users%', '/admin/users%zz', '/%/admin/users', '/admin/users%u0041'],
  'the absolute form': ['http://api.example/admin/users', 'http://api.example//admin/users', 'http://api.example/admin/users/?x'],
  'the absolute form, by another case or scheme': [
    'http://api.example/ADMIN/users',
    'HTTP://evil.example/admin/users',
    'https://api.example/admin/users/',
    'ftp://x/admin/users',
  ],
  'the absolute form, within and beside': [
    'http://api.example/public/../admin/users',
    'http://user:pass@api.example/admin/users',
    'http:///admin/users',
    'http:/admin/users',
  ],
  'a target that is no path': ['*', 'admin/users', './admin/users', 'api.example:80/admin/users'],
}

const methods: Readonly<Record<string, RawRequest>> = {
  GET: { method: 'GET' },
  HEAD: { method: 'HEAD' },
  POST: { method: 'POST', body: '' },
}

/** Where more than these is tried. */
const more: Readonly<Record<string, Readonly<Record<string, RawRequest>>>> = {
  'a literal route': { 'GET that says it comes from inside': { method: 'GET', headers: internal() } },
  'a route for every method': { OPTIONS: { method: 'OPTIONS' }, PUT: { method: 'PUT', body: '' } },
  'routes behind an override of the method': {
    OPTIONS: { method: 'OPTIONS' },
    'POST overriding to GET': { method: 'POST', body: '', headers: [['X-HTTP-Method-Override', 'GET']] },
    'GET overriding to HEAD': { method: 'GET', headers: [['X-HTTP-Method-Override', 'HEAD']] },
  },
}

function internal(): [string, string][] {
  return [
    ['X-Original-URL', '/public'],
    ['X-Rewrite-URL', '/public'],
    ['X-Forwarded-Prefix', '/public'],
    ['X-Middleware-Subrequest', '1'],
  ]
}

type Protect = (path: RoutePart['path'], method: string) => Part

/** The same handler behind each form of route, next to a route that anyone may call. */
function shapes(protect: Protect, behind: Part, regExpPaths: boolean): Readonly<Record<string, readonly Part[]>> {
  const visible = route({ path: '/public', handler: () => ({ headers: [['X-Public', 'yes']] }) })
  const inside = [protect('/users', 'GET'), protect('/users', 'POST')]
  return {
    'a literal route': [visible, protect('/admin/users', 'GET'), protect('/admin/users', 'POST')],
    'a route with a parameter': [visible, protect('/admin/:what', 'GET'), protect('/:any/users', 'POST')],
    'a route for every method': [visible, protect('/admin/users', 'ALL')],
    'a list of paths': [visible, protect(['/admin/users', '/admin/others'], 'ALL')],
    'a nested router': [{ kind: 'nested', prefix: '/admin', parts: inside }, visible],
    'a mounted application': [{ kind: 'app', prefix: '/admin', parts: inside }, visible],
    'routes behind an override of the method': [{ kind: 'override' }, visible, protect('/admin/users', 'GET')],
    'middleware behind a guard': [visible, behind],
    ...(regExpPaths ? { 'a RegExp': [visible, protect(/^\/admin\/users/i, 'ALL')] } : {}),
  }
}

/** How many requests are under way at once. */
const together = 24

interface Sent {
  readonly told: string
  readonly request: RawRequest
}

/** Every spelling by every method. A refusal does not depend on the method: of a route that refuses, GET is enough. */
function requestsTo(shape: string, allow: boolean): readonly Sent[] {
  const all = allow ? { ...methods, ...more[shape] } : { GET: { method: 'GET' } }
  const targets = Object.entries(spellings).flatMap(([trick, some]) => some.map((target) => ({ trick, target })))
  return Object.entries(all).flatMap(([method, request]) =>
    targets.map(({ trick, target }) => ({
      told: `${method} ${target} (${trick}) on ${shape}`,
      request: { ...request, target },
    })),
  )
}

/** Whatever is answered well was asked, is the route for anyone, or is the framework's own list of methods. */
function judge({ status, body, lines }: WireResponse, told: string, allow: boolean): void {
  if (!allow) assert.notInclude(body, 'secret', told)
  if (status < 400) assert.isNotEmpty(['x-asked', 'x-public', 'allow'].flatMap(lines), `${told}: ${status}`)
}

/** Sends every spelling to every shape. @returns how often the handler ran */
async function sendAll(context: AdapterContext, router: Readonly<Record<string, unknown>>, allow: boolean): Promise<number> {
  let runs = 0
  let unguarded = 0
  // What it says is on the answer whoever gives it, and in the facts of the request that it was asked for.
  const asked: Guard<{ readonly asked: true }> = () => {
    const headers: HeaderList = [['X-Asked', 'yes']]
    if (allow) return { type: 'continue', headers, facts: { asked: true } }
    return { type: 'reply', reply: problem({ status: 403 }, headers) }
  }
  const handler = (request: HandlerRequest): HandlerAnswer => {
    runs++
    try {
      request.facts(asked)
    } catch {
      unguarded++
    }
    return { body: 'secret' }
  }
  const protect: Protect = (path, method) => route({ path, method, guards: [asked], handler })
  const behind = middleware({ name: 'serveAdmin', path: '/admin', guards: [asked], policy: anyone, handler })
  for (const [shape, parts] of Object.entries(shapes(protect, behind, context.regExpPaths))) {
    const app = await context.start({ router, parts })
    await app.assertCovered({ opaque: app.opaque().map(({ name }) => name) })
    const all = requestsTo(shape, allow)
    for (let from = 0; from < all.length; from += together) {
      const some = all.slice(from, from + together)
      await Promise.all(some.map(async ({ told, request }) => judge(await send(app.port, request), told, allow)))
      assert.equal(unguarded, 0, `no guard was asked, by one of ${some.map(({ told }) => told).join(', ')}`)
    }
  }
  return runs
}

export function spelled(settings: Readonly<Record<string, Readonly<Record<string, unknown>>>>): readonly AdapterBehaviour[] {
  return Object.entries(settings).flatMap(([name, router]): AdapterBehaviour[] => [
    {
      title: `no spelling of a path or method reaches a handler that is refused (${name})`,
      async check(context) {
        assert.equal(await sendAll(context, router, false), 0)
        assert.isEmpty(context.eventsOf('core.undecided_response'))
      },
    },
    {
      title: `every spelling that reaches a handler was asked before (${name})`,
      async check(context) {
        // It would prove nothing if none reached it.
        assert.isAbove(await sendAll(context, router, true), 50)
        assert.isEmpty(context.eventsOf('core.undecided_response'))
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
