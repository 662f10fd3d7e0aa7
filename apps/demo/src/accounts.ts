import type { Collection, Store } from '@portcullis/core'
import type { LedgerRole } from './access.ts'

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
  /** Replaces a hash by one with stronger parameters; does nothing when the account changed meanwhile. */
  rehash(account: Account, passwordHash: string): Promise<void>
}

/** One spelling for one account. */
export function canonicalEmail(email: string): string {
  return email.normalize('NFKC').trim().toLowerCase()
}

export function createAccounts({ store }: { readonly store: Store }): Accounts {
  const accounts: Collection<Account> = store.collection({ name: 'ledger.accounts', indexes: ['email'] })

  async function byEmail(email: string) {
    for await (const stored of accounts.find('email', canonicalEmail(email), { limit: 1 })) return stored
    return undefined
  }

  return {
    find: async (id) => (await accounts.get(id))?.value,
    findByEmail: async (email) => (await byEmail(email))?.value,
    async seed(account) {
      if ((await byEmail(account.email)) === undefined)
        await accounts.create(account.id, account, { index: { email: account.email } })
    },
    async rehash(account, passwordHash) {
      const stored = await accounts.get(account.id)
      if (stored === undefined || stored.value.passwordHash !== account.passwordHash) return
      await accounts.replace(account.id, stored.version, { ...stored.value, passwordHash }, { index: { email: account.email } })
    },
  }
}
