import type { ProbeActor } from './probe-actor.ts'
import {
  actorName,
  bodyOf,
  found,
  isOpen,
  isWriting,
  judged,
  may,
  methodsOf,
  type ProbeCheck,
  type ProbeContext,
  type ProbeOutcome,
  type ProbeRoute,
  refusal,
} from './probe-check.ts'
import { isSuccess, type ProbeRequest } from './probe-client.ts'
import { idsIn } from './probe-objects.ts'
import { areTenantsApart, type Pair, pairsOf } from './probe-pairs.ts'

// Flowise CVE-2026-30823 and CVE-2026-41277, better-auth CVE-2025-61928: who somebody is, and what is meant, taken from where he says it.

/** What somebody claims to be: `undefined` members are left out. */
interface Claims {
  readonly tenant: string | undefined
  readonly subject: string
  readonly id: string | undefined
}

function claimsOf(owner: ProbeActor, id: string | undefined): Claims {
  return { tenant: owner.tenant, subject: owner.credential.subject() ?? owner.name, id }
}

function headersOf({ tenant, subject }: Claims): readonly (readonly [string, string])[] {
  const header = (name: string, value: string | undefined): readonly (readonly [string, string])[] =>
    value === undefined || !/^[\x21-\x7e]+$/.test(value) ? [] : [[name, value]]
  return [
    ...['x-tenant', 'x-tenant-id', 'tenant', 'x-organization-id'].flatMap((name) => header(name, tenant)),
    ...['x-user', 'x-user-id', 'x-subject', 'x-remote-user'].flatMap((name) => header(name, subject)),
  ]
}

function membersOf({ tenant, subject, id }: Claims, parameter: string | undefined): Readonly<Record<string, string>> {
  const members: Record<string, string> = { userId: subject, user_id: subject, ownerId: subject }
  if (tenant !== undefined) Object.assign(members, { tenant, tenantId: tenant, tenant_id: tenant })
  if (id !== undefined) Object.assign(members, { id }, parameter === undefined ? {} : { [parameter]: id })
  return members
}

/** Somebody's own path, with the other's claims to be the owner. */
export function forgedOnPath(
  context: ProbeContext,
  route: ProbeRoute,
  { owner, other }: Pair,
  { method, target }: ProbeRequest,
): readonly ProbeCheck[] {
  const claims = claimsOf(owner, undefined)
  const members = membersOf(claims, undefined)
  const places: readonly (readonly [string, Partial<ProbeRequest>])[] = [
    ['the query', { target: `${target}?${new URLSearchParams(members)}` }],
    ['headers', { headers: headersOf(claims) }],
    ['the body', { body: bodyOf(context, route, method, members) ?? '{}' }],
  ]
  const own = bodyOf(context, route, method)
  return places.map(([place, more]) =>
    refusal(context, {
      kind: 'forged-id',
      route: route.name,
      about: `used ${method} ${route.row.pattern} on what is ${actorName(owner)}'s, with his name in ${place}`,
      request: { method, target, as: other, ...(own === undefined ? {} : { body: own }), ...more },
    }),
  )
}

/** Somebody's own request, in which something else names what is another's. */
export async function forgeryChecks(context: ProbeContext, route: ProbeRoute): Promise<readonly ProbeCheck[]> {
  if (isOpen(route.row)) return []
  const pairs = route.template.parameters.length === 0 ? await strangersOf(context) : await pairsOf(context, route)
  const checks: ProbeCheck[] = []
  for (const pair of pairs) {
    // Who may not use the route at all is refused for that, whatever he claims.
    if (may(route.row, pair.other) === false) continue
    const own = (await context.finder.find(pair.other, route.template)).objects[0]
    const target = route.template.fill(own?.parameters ?? {})
    if (target === undefined) continue
    for (const method of methodsOf(context, route.row).filter((name) => name !== 'HEAD')) {
      checks.push(...forged(context, route, pair, method, target))
    }
  }
  return checks
}

/** Of a route without parameters: everybody of another tenant, with what was found of his anywhere. */
async function strangersOf({ actors }: ProbeContext): Promise<readonly Pair[]> {
  return actors.flatMap((owner) =>
    actors
      .filter((other) => areTenantsApart(owner, other))
      .map((other) => ({ owner, other, kind: 'other-tenant', objects: [] }) as const),
  )
}

function forged(context: ProbeContext, route: ProbeRoute, pair: Pair, method: string, target: string): readonly ProbeCheck[] {
  const { owner, other, objects } = pair
  const claims = claimsOf(owner, objects[0]?.id)
  const members = membersOf(claims, route.template.parameters.at(-1))
  const own = bodyOf(context, route, method)
  const request = { method, target, as: other, ...(own === undefined ? {} : { body: own }) }
  const places: readonly (readonly [string, Partial<ProbeRequest>])[] = [
    ['the query', { target: `${target}?${new URLSearchParams(members)}` }],
    ['headers', { headers: headersOf(claims) }],
    ['the body', { body: bodyOf(context, route, method, members) ?? '{}' }],
  ]
  return places.map(([place, more]) => ({
    kind: 'forged-id',
    route: route.name,
    as: other.name,
    about: `named what is ${actorName(owner)}'s in ${place} of ${method} ${route.row.pattern}`,
    isWriting: isWriting(method),
    run: () => tryForged(context, route, pair, { ...request, ...more }, place),
  }))
}

async function tryForged(
  context: ProbeContext,
  route: ProbeRoute,
  pair: Pair,
  request: ProbeRequest,
  place: string,
): Promise<ProbeOutcome> {
  const { client, finder, idField } = context
  const { owner, other } = pair
  const witness = isWriting(request.method) ? witnessOf(route, pair) : undefined
  const before = witness && (await read(context, witness))
  const isSteady = before !== undefined && before === (witness && (await read(context, witness)))
  const response = await client.send(request)
  const about = `named what is ${actorName(owner)}'s in ${place} of ${request.method} ${route.row.pattern}`
  // Not what a body says of itself: an application may echo what it was asked.
  const [theirs, his] = await Promise.all([finder.ids(owner), finder.ids(other)])
  if (isSuccess(response)) {
    const shown = [...idsIn(response.body, idField)].filter((id) => theirs.has(id) && !his.has(id))
    if (shown.length > 0) return found(request, response.status, `${about} and saw it`)
  }
  if (isSteady && witness !== undefined && (await read(context, witness)) !== before) {
    const status = response.type === 'answer' ? response.status : 0
    return found(request, status, `${about} and changed it`)
  }
  return judged(response, 'forged-id')
}

/** Where the owner would see that what is his has changed. */
function witnessOf({ template }: ProbeRoute, { owner, objects }: Pair): ProbeRequest | undefined {
  const [object] = objects
  const place = template.object()
  const target = place === undefined || object === undefined ? template.fill({}) : place.fill(object.parameters)
  return target === undefined ? undefined : { method: 'GET', target, as: owner }
}

async function read({ client }: ProbeContext, witness: ProbeRequest): Promise<string | undefined> {
  const response = await client.send(witness)
  return isSuccess(response) ? response.body : undefined
}
