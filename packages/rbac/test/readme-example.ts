import type { Principal, RouteInfo } from '@portcullis/core'
import { defineAccess, explain, formatMatrix, routeMatrix } from '@portcullis/rbac'

const access = defineAccess({
  resources: { invoice: ['read', 'create', 'update', 'refund'], audit: ['read'] },
  fields: { invoice: { createdBy: 'string', amount: 'number', customer: 'string', status: 'string' } },
  roles: {
    viewer: { allow: ['invoice:read'] },
    clerk: {
      inherits: ['viewer'],
      allow: [
        'invoice:create',
        {
          permission: 'invoice:update',
          when: { all: [{ owner: 'createdBy' }, { field: 'status', eq: 'draft' }] },
          writable: ['amount', 'customer'],
        },
      ],
    },
    owner: {
      inherits: ['clerk'],
      allow: [{ permission: 'invoice:update', writable: ['status'] }, 'invoice:refund', 'audit:read'],
    },
    suspended: { deny: ['invoice:*'] },
  },
  clients: { allow: ['invoice:read'] },
})
const { permit, can, canSome, decide, filter, pick } = access

// An authenticating guard names the principal: `bearer` of @portcullis/tokens, `session` of @portcullis/sessions.
const grace: Principal = { subject: 'grace', kind: 'user', tenant: 'acme', roles: ['clerk'] }
const invoice = { tenant: 'acme', createdBy: 'grace', amount: 100, customer: 'Hooli', status: 'draft' }

// "May some": no record is looked at. "May this one": this record.
console.log(canSome(grace, 'invoice:update')) // true
console.log(can(grace, 'invoice:update', invoice)) // true
console.log(can(grace, 'invoice:update', { ...invoice, createdBy: 'alan' })) // false

// Why, for the log.
console.log(decide(grace, 'invoice:read', { tenant: 'globex' }).reason.code) // rbac.tenant_mismatch
console.log(explain(decide(grace, 'invoice:update', { ...invoice, status: 'sent' })).text)

// The same condition for a list.
const columns = { tenant: 'tenant_id', createdBy: 'created_by', status: 'status' }
const { sql, parameters } = filter(grace, 'invoice:update').sql({ dialect: 'postgres', columns })
console.log(sql, parameters) // (("tenant_id" = $1) and ("created_by" = $2) and ("status" = $3)) acme,grace,draft

// What of a request's body may be written.
const change = pick(grace, 'invoice:update', invoice, { amount: 120, status: 'paid' })
console.log(change.ok ? change.value : change.fields) // status

// The rule of a route. It goes where the adapter declares the route: guard([bearer], permit('invoice:refund', …)).
const routes: RouteInfo[] = [
  { method: 'GET', pattern: '/invoices/:id', policy: permit('invoice:read') },
  { method: 'POST', pattern: '/invoices/:id/refund', policy: permit('invoice:refund', { stepUp: { maxAge: 300 } }) },
]

// Routes × roles, for a file that is reviewed.
console.log(formatMatrix(routeMatrix(access, routes)))
