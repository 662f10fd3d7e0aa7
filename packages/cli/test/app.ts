// What an application exports for the commands. Its variables make it another application.
import { authenticated, createMemoryStore, open, type RouteInfo } from '@portcullis/core'
import { defineAccess } from '@portcullis/rbac'
import type { PortcullisApp } from '../src/index.ts'
import { fillAudit } from './audit.ts'

const { SHOP_CHANGE: change, SHOP_STORE: storage } = process.env

const access = defineAccess({
  resources: { invoice: ['read', 'create', 'update', 'refund'], audit: ['read'] },
  roles: {
    viewer: { allow: ['invoice:read'] },
    clerk: { inherits: ['viewer'], allow: ['invoice:create', 'invoice:update'] },
    owner: { inherits: ['clerk'], allow: ['invoice:refund', 'audit:read'] },
  },
})

const { permit } = access
const refund = change === 'widened' ? permit('invoice:read') : permit('invoice:refund', { stepUp: { maxAge: 300 } })
const routes: readonly RouteInfo[] = [
  { method: 'GET', pattern: '/healthz', policy: open(change === 'reworded' ? 'status page' : 'probe of load balancers') },
  { method: 'GET', pattern: '/api/me', policy: authenticated() },
  { method: 'GET', pattern: '/api/invoices', policy: permit('invoice:read') },
  { method: 'POST', pattern: '/api/invoices', policy: permit('invoice:create') },
  { method: 'GET', pattern: '/api/invoices/:id', policy: permit('invoice:read') },
  { method: 'PATCH', pattern: '/api/invoices/:id', policy: permit('invoice:update') },
  { method: 'POST', pattern: '/api/invoices/:id/refund', policy: refund },
  { method: 'GET', pattern: '/api/audit', policy: permit('audit:read') },
]

async function app(): Promise<PortcullisApp> {
  if (change === 'hangs') await new Promise(() => {})
  if (change === 'throws') throw new TypeError('no database')
  // What applications leave open.
  setInterval(() => {}, 60_000)
  const store = createMemoryStore()
  if (storage !== undefined) await fillAudit(store)
  return { access, routes: () => Promise.resolve(routes), store }
}

export default app
