import {
  authenticated,
  type Guard,
  json,
  open,
  type Principal,
  problem,
  type Reply,
  type RequestView,
  type RouteInfo,
  type RoutePolicy,
  readJson,
  requirePrincipal,
} from '@portcullis/core'
import { routeMatrix } from '@portcullis/rbac'
import type { ApiKeys } from '@portcullis/tokens'
import { z } from 'zod'
import { access } from './access.ts'
import type { Audit } from './audit.ts'
import { absent, check, nothing, queryOf } from './input.ts'
import { type ChangeResult, type Invoice, type Invoices, invoiceStatuses } from './invoices.ts'
import { keyRoutes } from './keys.ts'

/** A call of the API: what a route's handler gets, on whichever framework. */
export interface Call {
  readonly view: RequestView
  readonly params: Readonly<Record<string, string | undefined>>
}

/** A route of the API. The path is spelt alike on the three frameworks. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly guards: readonly Guard[]
  readonly policy: RoutePolicy
  handle(call: Call): Promise<Reply>
}

/** What the API is made of. */
export interface ApiParts {
  readonly invoices: Invoices
  readonly audit: Audit
  readonly keys: ApiKeys
  /** Finds out who calls, then limits him. */
  readonly guards: readonly Guard[]
  /** The routes of the running application. */
  readonly routes: () => readonly RouteInfo[]
}

const customer = z.string().trim().min(1).max(200)
const amount = z.int().min(1).max(1_000_000_000_000)
const newInvoice = z.strictObject({
  customer,
  amount,
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .default('EUR'),
})
const invoiceChange = z
  .strictObject({ customer, amount, status: z.enum(invoiceStatuses).exclude(['refunded']) })
  .partial()
  .refine((change) => Object.keys(change).length > 0, 'at least one of customer, amount, status')
const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  after: z.string().min(1).max(100).optional(),
})

const auditQuery = listQuery.extend({ after: z.coerce.number().int().min(1).optional() })

/** A second factor, used within 5 minutes. */
const refundStepUp = { acr: ['aal2'], maxAge: 300 } as const

export function apiRoutes({ invoices, audit, keys, guards, routes }: ApiParts): readonly ApiRoute[] {
  const { permit } = access
  return [
    {
      method: 'GET',
      path: '/healthz',
      guards: [],
      policy: open('probe of load balancers'),
      handle: async () => json({ status: 'ok' }),
    },
    {
      method: 'GET',
      path: '/api/me',
      guards,
      policy: authenticated(),
      handle: async ({ view }) => json(describe(requirePrincipal(view))),
    },
    {
      method: 'GET',
      path: '/api/invoices',
      guards,
      policy: permit('invoice:read'),
      handle: async ({ view }) => {
        const query = check(listQuery, queryOf(view))
        if (!query.ok) return query.reply
        const { items, next } = await invoices.list(tenantOf(view), query.value)
        return json({ items: items.map(present), next: next ?? null })
      },
    },
    {
      method: 'GET',
      path: '/api/invoices/:id',
      guards,
      policy: permit('invoice:read'),
      handle: async ({ view, params }) => {
        const invoice = await invoices.find(tenantOf(view), params['id'] ?? '')
        return invoice === undefined ? absent() : json(present(invoice))
      },
    },
    {
      method: 'POST',
      path: '/api/invoices',
      guards,
      policy: permit('invoice:create'),
      handle: async ({ view }) => {
        const body = check(newInvoice, await readJson(view))
        if (!body.ok) return body.reply
        const invoice = await invoices.create(tenantOf(view), body.value)
        return json(present(invoice), { status: 201, headers: [['Location', `/api/invoices/${invoice.id}`]] })
      },
    },
    {
      method: 'PATCH',
      path: '/api/invoices/:id',
      guards,
      policy: permit('invoice:update'),
      handle: async ({ view, params }) => {
        const body = check(invoiceChange, await readJson(view))
        if (!body.ok) return body.reply
        const tenant = tenantOf(view)
        const invoice = await invoices.find(tenant, params['id'] ?? '')
        if (invoice === undefined) return absent()
        const change = access.forRequest(view).pick('invoice:update', invoice, body.value)
        if (!change.ok)
          return problem({ status: 403, detail: 'The caller may not change all of these fields.', fields: change.fields })
        return changed(await invoices.change(tenant, invoice.id, change.value))
      },
    },
    {
      method: 'POST',
      path: '/api/invoices/:id/refund',
      guards,
      policy: permit('invoice:refund', { stepUp: refundStepUp }),
      handle: async ({ view, params }) => changed(await invoices.refund(tenantOf(view), params['id'] ?? '')),
    },
    {
      method: 'GET',
      path: '/api/admin/audit',
      guards,
      policy: permit('audit:read'),
      handle: async ({ view }) => {
        const query = check(auditQuery, queryOf(view))
        if (!query.ok) return query.reply
        return json(await audit.list(tenantOf(view), query.value))
      },
    },
    {
      method: 'GET',
      path: '/api/admin/access',
      guards,
      policy: permit('audit:read'),
      handle: async ({ view }) => {
        const query = check(nothing, queryOf(view))
        return query.ok ? json({ routes: routeMatrix(access, routes()) }) : query.reply
      },
    },
    ...keyRoutes(keys, guards),
  ]
}

function describe({ subject, tenant, roles, scopes, amr, acr }: Principal): object {
  return { sub: subject, tenant: tenant ?? null, roles, scopes: scopes ?? [], amr: amr ?? [], acr: acr ?? null }
}

/** An invoice as its own tenant sees it. */
function present({ tenant: _, ...invoice }: Invoice): object {
  return invoice
}

/** The tenant comes from the principal alone: never from path, query, body or header. */
function tenantOf(view: RequestView): string {
  // A caller without a tenant holds no role in one: '' is no tenant's name, and finds nothing.
  return requirePrincipal(view).tenant ?? ''
}

function changed(result: ChangeResult): Reply {
  if (result.ok) return json(present(result.invoice))
  return result.reason === 'absent' ? absent() : problem({ status: 409, detail: 'A refunded or void invoice stays as it is.' })
}
