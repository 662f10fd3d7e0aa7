import type { PortcullisApp } from '@portcullis/cli'
import { authenticated, open } from '@portcullis/core'
import { defineAccess } from '@portcullis/rbac'

const access = defineAccess({
  resources: { invoice: ['read', 'refund'] },
  roles: { viewer: { allow: ['invoice:read'] }, owner: { inherits: ['viewer'], allow: ['invoice:refund'] } },
})

// With an adapter: routes: () => routes(app), of @portcullis/express, fastify or koa.
const app: PortcullisApp = {
  access,
  routes: [
    { method: 'GET', pattern: '/healthz', policy: open('probe of load balancers') },
    { method: 'GET', pattern: '/me', policy: authenticated() },
    { method: 'GET', pattern: '/invoices/:id', policy: access.permit('invoice:read') },
    { method: 'POST', pattern: '/invoices/:id/refund', policy: access.permit('invoice:refund') },
  ],
}

export default app
