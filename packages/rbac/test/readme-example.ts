import type { Principal, RouteInfo } from '@portcullis/core'
import { defineAccess, formatMatrix, routeMatrix } from '@portcullis/rbac'

const access = defineAccess({
  resources: { invoice: ['read', 'create', 'update', 'refund'], audit: ['read'] },
  roles: {
    viewer: { allow: ['invoice:read'] },
    accountant: { inherits: ['viewer'], allow: ['invoice:create', 'invoice:update'] },
    owner: { inherits: ['accountant'], allow: ['invoice:refund', 'audit:read'] },
    suspended: { deny: ['invoice:*'] },
  },
  clients: { allow: ['invoice:read'] },
})
const { permit, can, canSome } = access

// An authenticating guard names the principal: `bearer` of @portcullis/tokens, `session` of @portcullis/sessions.
const grace: Principal = { subject: 'grace', kind: 'user', tenant: 'acme', roles: ['accountant'] }

// "May some": no record is looked at.
const create = canSome(grace, 'invoice:create')
console.log(create.allowed, create.reason.message) // true accountant grants invoice:create

// "May this one": the record must be of the caller's tenant.
const theirs = can(grace, 'invoice:read', { tenant: 'globex' })
console.log(theirs.allowed, theirs.reason.code) // false rbac.tenant_mismatch

// The rule of a route. It goes where the adapter declares the route: guard([bearer], permit('invoice:refund', …)).
const routes: RouteInfo[] = [
  { method: 'GET', pattern: '/invoices/:id', policy: permit('invoice:read') },
  { method: 'POST', pattern: '/invoices/:id/refund', policy: permit('invoice:refund', { stepUp: { maxAge: 300 } }) },
]

// Routes × roles, for a file that is reviewed.
console.log(formatMatrix(routeMatrix(access, routes)))
