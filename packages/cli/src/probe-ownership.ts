import type { ProbeActor } from './probe-actor.ts'
import {
  actorName,
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
import { isSuccess } from './probe-client.ts'
import { forgedOnPath } from './probe-forgery.ts'
import { compareObjects } from './probe-objects.ts'
import { areTenantsApart, pairsOf } from './probe-pairs.ts'

/** What is somebody's, asked for by somebody else. */
export async function ownershipChecks(context: ProbeContext, route: ProbeRoute): Promise<readonly ProbeCheck[]> {
  if (isOpen(route.row) || route.template.parameters.length === 0) return []
  const checks: ProbeCheck[] = []
  for (const pair of await pairsOf(context, route)) {
    const { owner, other, kind, objects } = pair
    for (const { parameters } of objects) {
      const target = route.template.fill(parameters)
      if (target === undefined || !(await isThere(context, route, owner, target))) continue
      for (const method of methodsOf(context, route.row)) {
        const body = bodyOf(context, route, method)
        const request = { method, target, as: other, ...(body === undefined ? {} : { body }) }
        const about = `used ${method} ${route.row.pattern} on what is ${actorName(owner)}'s`
        checks.push(refusal(context, { kind: method === 'HEAD' ? 'head' : kind, route: route.name, about, request }))
        if (method !== 'HEAD') checks.push(...forgedOnPath(context, route, pair, request))
      }
    }
  }
  return checks
}

/** An id is worth asking for when its owner gets something by it, where that can be seen. */
async function isThere({ client, rows }: ProbeContext, { row }: ProbeRoute, owner: ProbeActor, target: string): Promise<boolean> {
  const isRead = rows.some(({ method, pattern }) => pattern === row.pattern && (method === 'GET' || method === '*'))
  if (!isRead || may(row, owner) === false || isWriting(row.method)) return true
  return isSuccess(await client.send({ method: 'GET', target, as: owner }))
}

/** Two tenants whose listings have the very same thing. */
export async function listingChecks(context: ProbeContext, route: ProbeRoute): Promise<readonly ProbeCheck[]> {
  const collection = route.template.collection()
  const isLast = route.template.object()?.toString() === route.template.toString()
  if (collection === undefined || !isLast || route.row.method !== 'GET' || context.shared.has(String(collection))) return []
  const checks: ProbeCheck[] = []
  for (const [at, one] of context.actors.entries()) {
    for (const other of context.actors.slice(at + 1)) {
      if (!areTenantsApart(one, other)) continue
      const [ones, others] = await Promise.all([
        context.finder.find(one, route.template),
        context.finder.find(other, route.template),
      ])
      if (ones.objects.length === 0 || others.objects.length === 0) continue
      const { shared } = compareObjects(ones, others)
      const [first] = shared
      const target = collection.fill(first?.parameters ?? {}) ?? String(collection)
      const message = `${actorName(one)} and ${actorName(other)} are listed the same ${shared.length} things: --shared ${collection} if they are everybody's`
      checks.push({
        kind: 'listing',
        route: `GET ${collection}`,
        as: other.name,
        about: `is listed what ${actorName(one)} is`,
        isWriting: false,
        run: async () =>
          first === undefined ? { type: 'refused' } : { type: 'found', method: 'GET', target, status: 200, message },
      })
    }
  }
  return checks
}
