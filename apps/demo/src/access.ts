import { type Access, defineAccess } from '@portcullis/rbac'

/** The permissions of Ledger. What a token needs for them is the scope of the same name, but for the one below. */
export type LedgerPermission =
  | 'invoice:read'
  | 'invoice:create'
  | 'invoice:update'
  | 'invoice:update_status'
  | 'invoice:refund'
  | 'audit:read'

export type LedgerRole = 'viewer' | 'accountant' | 'owner'

/** Who may do what: the table that a reviewer reads. */
export const access: Access<LedgerPermission, LedgerRole> = defineAccess({
  resources: {
    invoice: ['read', 'create', 'update', 'update_status', 'refund'],
    audit: ['read'],
  },
  roles: {
    viewer: { allow: ['invoice:read'] },
    accountant: { inherits: ['viewer'], allow: ['invoice:create', 'invoice:update'] },
    owner: { inherits: ['accountant'], allow: ['invoice:update_status', 'invoice:refund', 'audit:read'] },
  },
  clients: { allow: ['invoice:read'] },
  // The status is a field of an invoice: a token that may update invoices may update it for an owner.
  scopeOf: (permission) => (permission === 'invoice:update_status' ? 'invoice:update' : permission),
})

/** The scopes of the API, as they complete "asks to …" on the consent page. */
export const scopes: Readonly<Record<Exclude<LedgerPermission, 'invoice:update_status'>, string>> = {
  'invoice:read': 'See the invoices of your company',
  'invoice:create': 'Write new invoices',
  'invoice:update': 'Change invoices',
  'invoice:refund': 'Refund invoices',
  'audit:read': 'See the audit log and who may do what',
}
