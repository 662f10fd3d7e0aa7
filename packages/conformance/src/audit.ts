import { afterEach, beforeEach, describe, it } from 'vitest'
import { appending } from './audit-appending.ts'
import { type AuditContext, openAuditContext } from './audit-subject.ts'
import { verifying } from './audit-verifying.ts'
import type { StoreUnderTest } from './store-subject.ts'

/** Options of {@link auditLogSuite}. */
export interface AuditLogSuiteOptions {
  /** The backend's name, as the report shall show it. */
  readonly name: string
  /** Opens the backend, as for `storeSuite`; called before each test. */
  open(): Promise<StoreUnderTest>
}

/**
 * Declares, with vitest's `describe` and `it`, what core's `createAuditLog` does on a store: numbers without a gap whoever writes,
 * appends that are whole or not there, and a chain that shows what was changed or taken out.
 *
 * @example auditLogSuite({ name: 'memory', open: async () => ({ store: createMemoryStore({ clock }), now, advance, close }) })
 */
export function auditLogSuite({ name, open }: AuditLogSuiteOptions): void {
  describe(`an audit log: ${name}`, () => {
    let context: AuditContext
    beforeEach(async () => {
      context = openAuditContext(await open())
    })
    afterEach(async () => {
      await context.close()
    })

    for (const [part, behaviours] of Object.entries({ appending, verifying })) {
      describe(part, () => {
        for (const { title, check } of behaviours) it(title, () => check(context))
      })
    }
  })
}
