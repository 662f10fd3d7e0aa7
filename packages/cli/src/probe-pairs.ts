import type { ProbeActor } from './probe-actor.ts'
import type { ProbeContext, ProbeRoute } from './probe-check.ts'
import { compareObjects, type OwnObject } from './probe-objects.ts'

/** Somebody, and what is his and not the other's. */
export interface Pair {
  readonly owner: ProbeActor
  readonly other: ProbeActor
  readonly kind: 'other-tenant' | 'other-owner'
  readonly objects: readonly OwnObject[]
}

/** Every two actors who must not see the same on a route, with what they must not see. */
export async function pairsOf(context: ProbeContext, { template }: ProbeRoute): Promise<readonly Pair[]> {
  const pairs: Pair[] = []
  for (const owner of context.actors) {
    const own = await context.finder.find(owner, template)
    for (const other of context.actors) {
      if (other === owner) continue
      const others = await context.finder.find(other, template)
      const kind = areTenantsApart(owner, other) ? 'other-tenant' : 'other-owner'
      // In one tenant, what a page of a listing does not have may be on the next.
      if (kind === 'other-owner' && (others.isPartial || others.objects.length === 0)) continue
      const { alone } = compareObjects(own, others)
      pairs.push({ owner, other, kind, objects: alone.slice(0, context.mostIds) })
    }
  }
  return pairs
}

/** Whether two actors are known to be of different tenants. */
export function areTenantsApart(one: ProbeActor, other: ProbeActor): boolean {
  return one.tenant !== undefined && other.tenant !== undefined && one.tenant !== other.tenant
}
