import { randomBytes } from 'node:crypto'
import type { Clock, Collection, Store, Stored } from '@portcullis/core'
import { LedgerError } from './errors.ts'

export const invoiceStatuses = ['draft', 'sent', 'paid', 'void', 'refunded'] as const
export type InvoiceStatus = (typeof invoiceStatuses)[number]

/** An invoice as it is kept and answered. */
export type Invoice = {
  readonly id: string
  readonly tenant: string
  readonly customer: string
  /** In the currency's smallest unit. */
  readonly amount: number
  readonly currency: string
  readonly status: InvoiceStatus
  /** RFC 3339. */
  readonly createdAt: string
}

export type NewInvoice = Pick<Invoice, 'customer' | 'amount' | 'currency'>
export type InvoiceChange = { readonly [Field in 'customer' | 'amount' | 'status']?: Invoice[Field] | undefined }

/** What came of a change: the invoice as it is now, or why it stays as it was. */
export type ChangeResult =
  | { readonly ok: true; readonly invoice: Invoice }
  | { readonly ok: false; readonly reason: 'absent' | 'final' }

/** Invoices, each in one tenant. Nothing here answers across tenants: another tenant's invoice is absent. */
export interface Invoices {
  /** @param page.limit at most this many; `next` is the id to go on behind, `undefined` at the end */
  list(
    tenant: string,
    page: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<{ items: Invoice[]; next: string | undefined }>
  find(tenant: string, id: string): Promise<Invoice | undefined>
  create(tenant: string, invoice: NewInvoice): Promise<Invoice>
  change(tenant: string, id: string, change: InvoiceChange): Promise<ChangeResult>
  /** Once for each invoice. */
  refund(tenant: string, id: string): Promise<ChangeResult>
  /** Puts an invoice under an id of its own, where there is none. */
  seed(invoice: Invoice): Promise<void>
}

export function createInvoices({ store, clock }: { readonly store: Store; readonly clock: Clock }): Invoices {
  const invoices: Collection<Invoice> = store.collection({ name: 'ledger.invoices', indexes: ['tenant'] })

  async function held(tenant: string, id: string): Promise<Stored<Invoice> | undefined> {
    const stored = await invoices.get(id)
    return stored?.value.tenant === tenant ? stored : undefined
  }

  /** Compare-and-set until nobody was faster: two changes at once both take effect, one after the other. */
  async function update(tenant: string, id: string, next: (now: Invoice) => Invoice | undefined): Promise<ChangeResult> {
    for (let attempt = 0; attempt < 20; attempt++) {
      const stored = await held(tenant, id)
      if (stored === undefined) return { ok: false, reason: 'absent' }
      const invoice = next(stored.value)
      if (invoice === undefined) return { ok: false, reason: 'final' }
      if (await invoices.replace(id, stored.version, invoice, { index: { tenant } })) return { ok: true, invoice }
    }
    throw new LedgerError('ledger.invoice_contended', 'an invoice changed under twenty attempts to change it', { status: 503 })
  }

  return {
    async list(tenant, { after, limit }) {
      const items: Invoice[] = []
      for await (const { value } of invoices.find('tenant', tenant, {
        limit: limit + 1,
        ...(after === undefined ? {} : { after }),
      })) {
        items.push(value)
      }
      const next = items.length > limit ? items[limit - 1]?.id : undefined
      return { items: items.slice(0, limit), next }
    },
    find: async (tenant, id) => (await held(tenant, id))?.value,
    async create(tenant, { customer, amount, currency }) {
      const now = clock.now()
      const invoice: Invoice = {
        // Ids sort by the time they were made, so that a page never skips what comes later.
        id: `inv_${now.toString(16).padStart(12, '0')}${randomBytes(10).toString('hex')}`,
        tenant,
        customer,
        amount,
        currency,
        status: 'draft',
        createdAt: new Date(now).toISOString(),
      }
      await invoices.create(invoice.id, invoice, { index: { tenant } })
      return invoice
    },
    change: (tenant, id, { customer, amount, status }) =>
      update(tenant, id, (now) => {
        if (now.status === 'refunded' || now.status === 'void') return undefined
        return { ...now, customer: customer ?? now.customer, amount: amount ?? now.amount, status: status ?? now.status }
      }),
    refund: (tenant, id) =>
      update(tenant, id, (now) =>
        now.status === 'refunded' || now.status === 'void' ? undefined : { ...now, status: 'refunded' },
      ),
    async seed(invoice) {
      await invoices.create(invoice.id, invoice, { index: { tenant: invoice.tenant } })
    },
  }
}
