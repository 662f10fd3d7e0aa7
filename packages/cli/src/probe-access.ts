import { spellings } from './path-spellings.ts'
import { type PathParameters, PathTemplate } from './path-template.ts'
import { Credential, type ProbeActor } from './probe-actor.ts'
import {
  bodyOf,
  isOpen,
  isWriting,
  may,
  methodsOf,
  type ProbeCheck,
  type ProbeContext,
  type ProbeRoute,
  refusal,
} from './probe-check.ts'

/** Flowise GHSA-wvhq-wp8g-c7vq, Next.js CVE-2025-29927 and reverse proxies' own: headers that say a request comes from inside. */
const INTERNAL: readonly (readonly [string, string])[] = [
  ['x-middleware-subrequest', 'middleware:middleware:middleware:middleware:middleware'],
  ['x-request-from', 'internal'],
  ['x-internal', '1'],
  ['x-internal-request', 'true'],
  ['x-forwarded-for', '127.0.0.1'],
  ['x-real-ip', '127.0.0.1'],
  ['x-forwarded-host', 'localhost'],
  ['x-forwarded-proto', 'https'],
  ['x-remote-user', 'admin'],
  ['x-authenticated-user', 'admin'],
  ['x-user-id', '1'],
]

/** Places on which a route can be asked for: with the values that whoever is known there has. */
async function placesOf(
  context: ProbeContext,
  { template }: ProbeRoute,
  first: ProbeActor | undefined,
): Promise<readonly string[]> {
  if (template.parameters.length === 0) return [template.fill({}) ?? '/']
  const sameTenant = (actor: ProbeActor): boolean => first?.tenant !== undefined && actor.tenant === first.tenant
  const nearest = [...context.actors].sort((one, other) => rank(one) - rank(other))
  function rank(actor: ProbeActor): number {
    return actor === first ? 0 : sameTenant(actor) ? 1 : 2
  }
  for (const actor of nearest) {
    const { objects } = await context.finder.find(actor, template)
    const places = objects.flatMap(({ parameters }) => fill(template, parameters))
    if (places.length > 0) return places.slice(0, context.mostIds)
  }
  return []
}

function fill(template: PathTemplate, parameters: PathParameters): readonly string[] {
  const path = template.fill(parameters)
  return path === undefined ? [] : [path]
}

/** Nobody, and those whose roles do not do, on every method, in every spelling. */
export async function accessChecks(context: ProbeContext, route: ProbeRoute): Promise<readonly ProbeCheck[]> {
  if (isOpen(route.row)) return []
  const refused = context.actors.filter((actor) => may(route.row, actor) === false)
  const checks: ProbeCheck[] = []
  const [place] = await placesOf(context, route, undefined)
  if (place !== undefined) {
    for (const method of methodsOf(context, route.row)) checks.push(...strangers(context, route, method, place))
  }
  for (const [at, actor] of refused.entries()) {
    const places = await placesOf(context, route, actor)
    for (const target of places) {
      for (const method of methodsOf(context, route.row)) {
        checks.push(
          refusal(context, {
            kind: method === 'HEAD' ? 'head' : 'role',
            route: route.name,
            about: `(${actor.roles.join(', ')}) used ${method} ${route.row.pattern}, which no role of his may`,
            request: { method, target, as: actor, ...withBody(context, route, method) },
          }),
        )
      }
    }
    // One is enough: the roles were told apart above.
    if (at === 0 && places[0] !== undefined) checks.push(...spelt(context, route, places[0], actor))
  }
  return checks
}

function strangers(context: ProbeContext, route: ProbeRoute, method: string, target: string): readonly ProbeCheck[] {
  const { pattern } = route.row
  const kind = method === 'HEAD' ? 'head' : 'no-credential'
  const request = { method, target, ...withBody(context, route, method) }
  const invalid = new Credential('portcullis-probe-no-credential', context.credentialTemplate)
  const checks = [
    refusal(context, { kind, route: route.name, about: `used ${method} ${pattern} without a credential`, request }),
    refusal(context, {
      kind,
      route: route.name,
      about: `used ${method} ${pattern} with a credential that is none`,
      request: { ...request, headers: [invalid.header()] },
    }),
  ]
  if (isWriting(method)) return checks
  const inside = refusal(context, {
    kind: 'internal-header',
    route: route.name,
    about: `used ${method} ${pattern} with headers of requests from inside`,
    request: { ...request, headers: INTERNAL },
  })
  if (method === 'HEAD') return [...checks, inside]
  const rewritten = refusal(context, {
    kind: 'internal-header',
    route: route.name,
    about: `got ${pattern} by naming it in X-Original-URL and X-Rewrite-URL`,
    request: { method, target: '/', headers: [['x-original-url', target] as const, ['x-rewrite-url', target] as const] },
  })
  const overridden = refusal(context, {
    kind: 'method',
    route: route.name,
    about: `used POST that says it is GET on ${pattern}`,
    request: { method: 'POST', target, headers: [['x-http-method-override', 'GET'] as const], body: '{}' },
  })
  return [...checks, inside, rewritten, ...(context.write ? [overridden] : []), ...spelt(context, route, target, undefined)]
}

function spelt(context: ProbeContext, route: ProbeRoute, target: string, actor: ProbeActor | undefined): readonly ProbeCheck[] {
  if (!methodsOf(context, route.row).includes('GET') || target === '/') return []
  return spellings(target, context.client.host).map((spelling) =>
    refusal(context, {
      kind: 'spelling',
      route: route.name,
      about: `got ${route.row.pattern} by ${spelling.name}`,
      request: { method: 'GET', target: spelling.target, as: actor },
    }),
  )
}

/** Methods that no row has for a path: nothing may answer them. */
export async function methodChecks(context: ProbeContext, route: ProbeRoute): Promise<readonly ProbeCheck[]> {
  const [target] = await placesOf(context, route, undefined)
  if (target === undefined) return []
  const answers = context.rows.filter(({ pattern }) => PathTemplate.parse(pattern)?.matches(target) ?? true)
  const listed = new Set(answers.map(({ method }) => method))
  if (listed.has('*')) return []
  if (listed.has('GET')) listed.add('HEAD')
  const tried = ['GET', 'HEAD', ...(context.write ? ['POST', 'PUT', 'PATCH', 'DELETE'] : [])]
  return tried
    .filter((method) => !listed.has(method))
    .flatMap((method) =>
      [undefined, ...context.actors.slice(0, 1)].map((as) =>
        refusal(context, {
          kind: 'method',
          route: route.name,
          about: `used ${method} ${route.row.pattern}, which no route declares`,
          request: { method, target, as, ...(isWriting(method) ? { body: '{}' } : {}) },
        }),
      ),
    )
}

function withBody(context: ProbeContext, route: ProbeRoute, method: string): { readonly body?: string } {
  const body = bodyOf(context, route, method)
  return body === undefined ? {} : { body }
}
