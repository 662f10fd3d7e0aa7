import type { Collection, Store } from '@portcullis/core'
import type { LedgerRole } from './access.ts'
import { LedgerError } from './errors.ts'

/** A person's account. */
export type Account = {
  /** The subject of tokens: never changes, never reused. */
  readonly id: string
  /** The user name, canonical: see {@link canonicalEmail}. */
  readonly email: string
  readonly name: string
  readonly tenant: string
  readonly role: LedgerRole
  /** PHC string. */
  readonly passwordHash: string
  readonly disabled: boolean
}

/** The accounts of all tenants. */
export interface Accounts {
  find(id: string): Promise<Account | undefined>
  findByEmail(email: string): Promise<Account | undefined>
  /** Where there is none under that id or address. */
  seed(account: Account): Promise<void>
  /** Of one tenant, by address. */
  ofTenant(tenant: string): Promise<readonly Account[]>
  /** Replaces a hash by one with stronger parameters; does nothing when the password changed meanwhile. */
  rehash(account: Account, passwordHash: string): Promise<void>
  /**
   * Stores a new hash where the old one still is. False: it is not, or there is no such account.
   * @throws LedgerError `ledger.account_contended` (503)
   */
  changePassword(id: string, before: string, hash: string): Promise<boolean>
  /** False: there is no such account. @throws LedgerError `ledger.account_contended` (503) */
  setDisabled(id: string, disabled: boolean): Promise<boolean>
}

// Each lost round was won by somebody else; changes of one account come one at a time.
const rounds = 8

/** One spelling for one account. Cut first, since normalising takes time by more than the length: an address has 254 characters (RFC 5321 §4.5.3.1). */
export function canonicalEmail(email: string): string {
  return email.slice(0, 256).normalize('NFKC').trim().toLowerCase()
}

export function createAccounts({ store }: { readonly store: Store }): Accounts {
  const accounts: Collection<Account> = store.collection({ name: 'ledger.accounts', indexes: ['email', 'tenant'] })
  const indexed = ({ email, tenant }: Account) => ({ index: { email, tenant } })

  async function byEmail(email: string) {
    for await (const stored of accounts.find('email', canonicalEmail(email), { limit: 1 })) return stored
    return undefined
  }

  /** @param to `undefined`: as the account is now, nothing is to be changed. False: nothing was */
  async function change(id: string, to: (account: Account) => Account | undefined): Promise<boolean> {
    for (let round = 0; round < rounds; round++) {
      const stored = await accounts.get(id)
      const changed = stored && to(stored.value)
      if (stored === undefined || changed === undefined) return false
      if (await accounts.replace(id, stored.version, changed, indexed(changed))) return true
    }
    throw new LedgerError('ledger.account_contended', `an account was changed ${rounds} times meanwhile`, { status: 503 })
  }

  const changePassword = (id: string, before: string, hash: string): Promise<boolean> =>
    change(id, (account) => (account.passwordHash === before ? { ...account, passwordHash: hash } : undefined))

  return {
    find: async (id) => (await accounts.get(id))?.value,
    findByEmail: async (email) => (await byEmail(email))?.value,
    async seed(account) {
      if ((await byEmail(account.email)) === undefined) await accounts.create(account.id, account, indexed(account))
    },
    async ofTenant(tenant) {
      const found: Account[] = []
      for await (const { value } of accounts.find('tenant', tenant)) found.push(value)
      return found.sort((a, b) => (a.email < b.email ? -1 : 1))
    },
    async rehash({ id, passwordHash: before }, passwordHash) {
      await changePassword(id, before, passwordHash)
    },
    changePassword,
    setDisabled: (id, disabled) => change(id, (account) => ({ ...account, disabled })),
  }
}
