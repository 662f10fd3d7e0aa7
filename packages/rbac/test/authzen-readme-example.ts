import type { EndpointRoute, Guard, Principal, RequestView, RoutePolicy } from '@portcullis/core'
import { defineAccess } from '@portcullis/rbac'
import { authzenEndpoints, createAuthzenDecider } from '@portcullis/rbac/authzen'
import { type AccessDecider, checkBy, deciderOf, permitBy } from '@portcullis/rbac/decider'

const access = defineAccess({
  resources: { invoice: ['read', 'refund'] },
  roles: { viewer: { allow: ['invoice:read'] }, owner: { allow: ['invoice:*'] } },
})

// The rules above as a decider. Subjects and records are loaded from where they are kept, never taken from the question.
export function ownDecider(
  findPerson: (id: string) => Promise<Principal | undefined>,
  findInvoice: (id: string) => Promise<{ tenant: string } | undefined>,
): AccessDecider {
  return deciderOf(access, { principal: ({ id }) => findPerson(id), record: ({ id }) => findInvoice(id) })
}

// Served to others: give them to an adapter's `mount`, before any body parser.
export function pdpRoutes(url: string, decider: AccessDecider, bearer: Guard): readonly EndpointRoute[] {
  const mayAsk = (caller: Principal): boolean => caller.scopes?.includes('pdp:ask') === true
  return authzenEndpoints({ url, decider, guards: [bearer], mayAsk }).endpoints
}

// Asked of others: the same interface.
export function remoteDecider(url: string, token: () => Promise<string>): AccessDecider {
  return createAuthzenDecider({ url, headers: async () => ({ authorization: `Bearer ${await token()}` }), timeout: 5000 })
}

// The rule of a route, before any record is known: guard([bearer], mayCreate(decider)).
export function mayCreate(decider: AccessDecider): RoutePolicy {
  return permitBy(decider, {
    action: 'create_invoice',
    resource: (_, { tenant }) => (tenant === undefined ? undefined : { type: 'tenant', id: tenant }),
    label: 'tenant:create_invoice',
  })
}

// "May this one", in a handler.
export async function mayRead(decider: AccessDecider, req: RequestView, id: string): Promise<boolean> {
  const { allowed } = await checkBy(decider, req, 'read', { type: 'invoice', id })
  return allowed
}
