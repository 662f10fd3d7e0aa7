import { setTimeout as pause } from 'node:timers/promises'
import {
  type AuditEntry,
  type AuditLog,
  type AuditRecord,
  type Clock,
  createAuditLog,
  type Json,
  type SecurityEvent,
  type Store,
  subscribe,
} from '@portcullis/core'

/** A line of a tenant's audit log, as it is answered. */
export interface AuditLine {
  /** Its number in the tenant's log. */
  readonly id: string
  readonly type: string
  /** RFC 3339. */
  readonly time: string
  readonly correlationId: string | null
  readonly ip: string | null
  readonly data: Json
}

/** The security events of each tenant, kept for 90 days: one hash-chained log for each. */
export interface Audit {
  /** The newest first; `next` is the id to go on behind. */
  list(
    tenant: string,
    page: { readonly after?: number | undefined; readonly limit: number },
  ): Promise<{ items: AuditLine[]; next: string | null }>
  /** Stops listening; resolves when all that was heard is written, or can't be. */
  close(): Promise<void>
}

/** Seconds. */
const keptFor = 90 * 24 * 3600
/** Events heard but not written yet; past this many, the newest are dropped and counted, so that a flood can't fill the memory. */
const backlog = 10_000
/** Milliseconds between two attempts to write while the store is down. */
const tryAgainAfter = 1000

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
  /** Tenants come from principals and accounts, so there are as many as there are tenants. */
  const logs = new Map<string, AuditLog>()
  let waiting: SecurityEvent[] = []
  let dropped = 0
  let failing = false
  let closing = false
  let writing: Promise<void> | undefined

  function logOf(tenant: string): AuditLog {
    const log = logs.get(tenant) ?? createAuditLog({ store, name: tenant, retention: keptFor, clock })
    logs.set(tenant, log)
    return log
  }

  /** In the order in which they were heard. While the store is down they wait: what was heard before is not lost for it. */
  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const kept = new Set<SecurityEvent>()
      try {
        await keep(waiting.slice(0, 500), kept)
        failing = false
      } catch (error) {
        // Once for each time that it is down.
        if (!failing) complain('audit log not written', { error: codeOf(error), waiting: waiting.length })
        failing = true
        if (closing) return
        await pause(tryAgainAfter, undefined, { ref: false })
      } finally {
        waiting = waiting.filter((event) => !kept.has(event))
      }
    }
  }

  /** @param kept gets the events with which nothing more is to be done */
  async function keep(events: readonly SecurityEvent[], kept: Set<SecurityEvent>): Promise<void> {
    const byTenant = new Map<string, SecurityEvent[]>()
    for (const event of events) {
      const { tenant, subject } = concerns(event)
      const found = tenant ?? (subject === undefined ? undefined : await tenantOfSubject(subject))
      if (found === undefined) kept.add(event)
      else byTenant.set(found, [...(byTenant.get(found) ?? []), event])
    }
    for (const [tenant, theirs] of byTenant) {
      await logOf(tenant).append(theirs.map(entryOf))
      for (const event of theirs) kept.add(event)
    }
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
      .finally(() => {
        writing = undefined
      })
  }

  const stop = subscribe(hear)
  return {
    async list(tenant, { after, limit }) {
      const lines: AuditLine[] = []
      const page = { limit: limit + 1, ...(after === undefined ? {} : { after }) }
      for await (const record of logOf(tenant).read(page)) lines.push(present(record))
      const next = lines.length > limit ? (lines[limit - 1]?.id ?? null) : null
      return { items: lines.slice(0, limit), next }
    },
    async close() {
      stop()
      closing = true
      while (writing !== undefined) await writing
      if (waiting.length + dropped > 0) complain('audit lines lost', { lost: waiting.length + dropped })
    },
  }
}

function entryOf({ type, time, correlationId, ip, data }: SecurityEvent): AuditEntry {
  const plain = JSON.parse(JSON.stringify(data)) as Json
  return { type, time: Math.floor(time), data: { correlationId: correlationId ?? null, ip: ip ?? null, data: plain } }
}

function present({ seq, type, time, data }: AuditRecord): AuditLine {
  const { correlationId, ip, data: about } = data as { correlationId: string | null; ip: string | null; data: Json }
  return { id: String(seq), type, time: new Date(time).toISOString(), correlationId, ip, data: about }
}

function complain(what: string, details: object): void {
  process.stderr.write(`${JSON.stringify({ level: 'error', what, ...details })}\n`)
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
