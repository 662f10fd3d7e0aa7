import { randomBytes } from 'node:crypto'
import { type Clock, type Collection, type Json, type SecurityEvent, type Store, subscribe } from '@portcullis/core'

/** A line of a tenant's audit log. */
export type AuditEntry = {
  readonly id: string
  readonly tenant: string
  readonly type: string
  /** RFC 3339. */
  readonly time: string
  readonly correlationId: string | null
  readonly ip: string | null
  readonly data: Json
}

/** The security events of each tenant, kept for 90 days. */
export interface Audit {
  /** The newest first; `next` is the id to go on behind. */
  list(
    tenant: string,
    page: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<{ items: Json[]; next: string | null }>
  /** Stops listening; resolves when all that was heard is written. */
  close(): Promise<void>
}

const keptFor = 90 * 24 * 3_600_000
/** Events heard but not written yet; past this many, the newest are dropped and counted, so that a flood can't fill the memory. */
const backlog = 10_000

/**
 * Listens to every security event and keeps those that concern a tenant. Reads that were allowed are left out: they are most of
 * all requests, and would bury the rest.
 * @param tenantOfSubject the tenant of an account, for events that name only the account
 */
export function createAudit(options: {
  readonly store: Store
  readonly clock: Clock
  readonly tenantOfSubject: (subject: string) => Promise<string | undefined>
}): Audit {
  const { store, clock, tenantOfSubject } = options
  const entries: Collection<AuditEntry> = store.collection({ name: 'ledger.audit', indexes: ['tenant'] })
  const waiting: SecurityEvent[] = []
  let dropped = 0
  let writing: Promise<void> | undefined

  async function write(): Promise<void> {
    for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
      const { tenant, subject } = concerns(event)
      const found = tenant ?? (subject === undefined ? undefined : await tenantOfSubject(subject))
      if (found !== undefined) await keep(found, event)
    }
  }

  async function keep(tenant: string, { type, time, correlationId, ip, data }: SecurityEvent): Promise<void> {
    const id = `${time.toString(16).padStart(12, '0')}${randomBytes(8).toString('hex')}`
    const plain = JSON.parse(JSON.stringify(data)) as Json
    const entry: AuditEntry = {
      id,
      tenant,
      type,
      time: new Date(time).toISOString(),
      correlationId: correlationId ?? null,
      ip: ip ?? null,
      data: plain,
    }
    await entries.create(id, entry, { expiresAt: clock.now() + keptFor, index: { tenant } })
  }

  function hear(event: SecurityEvent): void {
    if (isAllowedRead(event)) return
    if (waiting.length >= backlog) {
      dropped++
      return
    }
    waiting.push(event)
    writing ??= Promise.resolve()
      .then(write)
      .catch((error: unknown) => {
        process.stderr.write(
          `${JSON.stringify({ level: 'error', what: 'audit entry not written', error: codeOf(error), dropped })}\n`,
        )
      })
      .finally(() => {
        writing = undefined
      })
  }

  const stop = subscribe(hear)
  return {
    async list(tenant, { after, limit }) {
      const items: AuditEntry[] = []
      const page = { limit: limit + 1, order: 'descending', ...(after === undefined ? {} : { after }) } as const
      for await (const { value } of entries.find('tenant', tenant, page)) items.push(value)
      const next = items.length > limit ? (items[limit - 1]?.id ?? null) : null
      return { items: items.slice(0, limit), next }
    },
    async close() {
      stop()
      while (writing !== undefined) await writing
    },
  }
}

/** Whom an event concerns, by the names that events use. */
function concerns({ data }: SecurityEvent): { tenant: string | undefined; subject: string | undefined } {
  const { principal, tenant, subject, account } = data as Record<string, unknown> & { principal?: Record<string, unknown> }
  return {
    tenant: text(tenant) ?? text(principal?.['tenant']),
    subject: text(subject) ?? text(account) ?? text(principal?.['subject']),
  }
}

function isAllowedRead({ type, data }: SecurityEvent): boolean {
  const { outcome, allowed, method } = data as { outcome?: unknown; allowed?: unknown; method?: unknown }
  return (
    (type === 'core.decision' && outcome === 'allowed' && (method === 'GET' || method === 'HEAD')) ||
    (type === 'rbac.record_decision' && allowed === true)
  )
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}
