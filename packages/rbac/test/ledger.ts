import type { Principal } from '@portcullis/core'
import { type Access, defineAccess, type PermissionOf } from '../src/index.ts'

/** The clock of these tests, in milliseconds. */
export const clock: { time: number; now(): number } = { time: 1_800_000_000_000, now: (): number => clock.time }

const resources = { invoice: ['read', 'create', 'update', 'refund'], audit: ['read'] } as const

/** The rules of the demo application. */
export const ledger: Access<PermissionOf<typeof resources>, 'viewer' | 'accountant' | 'owner' | 'suspended'> = defineAccess({
  resources,
  roles: {
    viewer: { allow: ['invoice:read'] },
    accountant: { inherits: ['viewer'], allow: ['invoice:create', 'invoice:update'] },
    owner: { inherits: ['accountant'], allow: ['invoice:refund', 'audit:read'] },
    suspended: { deny: ['invoice:create', 'invoice:update', 'invoice:refund'] },
  },
  clients: { allow: ['invoice:read'] },
  clock,
})

export function user(roles: readonly string[], more: Partial<Principal> = {}): Principal {
  return { subject: 'u1', kind: 'user', tenant: 'acme', roles, ...more }
}

export function client(scopes: readonly string[] | undefined, more: Partial<Principal> = {}): Principal {
  return { subject: 'c1', kind: 'client', clientId: 'c1', tenant: 'acme', roles: [], ...(scopes ? { scopes } : {}), ...more }
}
