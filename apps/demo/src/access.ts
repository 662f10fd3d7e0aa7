import { type Access, defineAccess } from '@portcullis/rbac'

/** The permissions of the API. What a token needs for each is the scope of the same name. */
export type ApiPermission = 'invoice:read' | 'invoice:create' | 'invoice:update' | 'invoice:refund' | 'audit:read'

/** The permissions of Ledger: there is no scope for managing accounts, which no token can do. */
export type LedgerPermission = ApiPermission | 'account:manage'

export type LedgerRole = 'viewer' | 'accountant' | 'owner'

/** Who may do what: the table that a reviewer reads. */
export const access: Access<LedgerPermission, LedgerRole> = defineAccess({
  resources: {
    invoice: ['read', 'create', 'update', 'refund'],
    audit: ['read'],
    account: ['manage'],
  },
  fields: {
    invoice: { customer: 'string', amount: 'number', status: 'string' },
  },
  roles: {
    viewer: { allow: ['invoice:read'] },
    accountant: {
      inherits: ['viewer'],
      allow: ['invoice:create', { permission: 'invoice:update', writable: ['customer', 'amount'] }],
    },
    owner: {
      inherits: ['accountant'],
      allow: ['invoice:refund', 'audit:read', 'account:manage', { permission: 'invoice:update', writable: ['status'] }],
    },
  },
  clients: { allow: ['invoice:read'] },
})

/** The scopes of the API, as they complete "asks to …" on the consent page. */
export const scopes: Readonly<Record<ApiPermission, string>> = {
  'invoice:read': 'See the invoices of your company',
  'invoice:create': 'Write new invoices',
  'invoice:update': 'Change invoices',
  'invoice:refund': 'Refund invoices',
  'audit:read': 'See the audit log and who may do what',
}
