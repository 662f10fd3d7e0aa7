import type { Totp } from '@portcullis/mfa'
import type { Passwords } from '@portcullis/password'
import type { Account, Accounts } from './accounts.ts'
import type { Clients } from './clients.ts'
import { LedgerError } from './errors.ts'
import type { Invoice, Invoices } from './invoices.ts'

/** Demonstration only: all of these are public. */
const people = [
  {
    id: 'usr_ada',
    email: 'ada@acme.test',
    name: 'Ada Lovelace',
    tenant: 'acme',
    role: 'owner',
    password: 'correct-horse-ada-battery',
  },
  {
    id: 'usr_grace',
    email: 'grace@acme.test',
    name: 'Grace Hopper',
    tenant: 'acme',
    role: 'accountant',
    password: 'correct-horse-grace-battery',
  },
  {
    id: 'usr_alan',
    email: 'alan@acme.test',
    name: 'Alan Turing',
    tenant: 'acme',
    role: 'viewer',
    password: 'correct-horse-alan-battery',
  },
  {
    id: 'usr_linus',
    email: 'linus@globex.test',
    name: 'Linus Torvalds',
    tenant: 'globex',
    role: 'owner',
    password: 'correct-horse-linus-battery',
  },
] as const satisfies readonly (Omit<Account, 'passwordHash' | 'disabled'> & { readonly password: string })[]

const adasTotpSecret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'

const invoice = (
  id: string,
  tenant: string,
  customer: string,
  amount: number,
  status: Invoice['status'],
  day: string,
): Invoice => ({
  id,
  tenant,
  customer,
  amount,
  currency: 'EUR',
  status,
  createdAt: `2026-0${day}T09:00:00.000Z`,
})

const seededInvoices: readonly Invoice[] = [
  invoice('inv_acme_0001', 'acme', 'Analytical Engines Ltd', 125_000, 'paid', '1-12'),
  invoice('inv_acme_0002', 'acme', 'Difference & Daughters', 48_050, 'sent', '2-03'),
  invoice('inv_acme_0003', 'acme', 'Bernoulli Numbers GmbH', 9_900, 'paid', '3-21'),
  invoice('inv_acme_0004', 'acme', 'Jacquard Looms', 310_000, 'draft', '4-08'),
  invoice('inv_acme_0005', 'acme', 'Menabrea & Sons', 77_700, 'sent', '5-30'),
  invoice('inv_globex_0001', 'globex', 'Kernel Supplies', 64_000, 'paid', '2-17'),
  invoice('inv_globex_0002', 'globex', 'Penguin Logistics', 22_200, 'sent', '6-01'),
]

/** What the seed needs. */
export interface SeedParts {
  readonly accounts: Accounts
  readonly clients: Clients
  readonly invoices: Invoices
  readonly passwords: Passwords
  readonly totp: Totp
}

/** Puts the demonstration's accounts, clients and invoices where there are none; what is there stays as it is. */
export async function seed({ accounts, clients, invoices, passwords, totp }: SeedParts): Promise<void> {
  for (const { password, ...person } of people) {
    if ((await accounts.find(person.id)) !== undefined) continue
    await accounts.seed({ ...person, passwordHash: await passwords.hash(password), disabled: false })
  }
  if (!(await totp.enrolled('usr_ada'))) {
    await totp.enrol('usr_ada', { label: 'ada@acme.test', secret: adasTotpSecret, confirmed: true })
  }
  await clients.seed()
  for (const each of seededInvoices) await invoices.seed(each)
}

/** A store that was ever seeded is not for production: its passwords and secrets are public. @throws LedgerError `ledger.seed_in_production` */
export async function refuseSeeded({ accounts, clients }: Pick<SeedParts, 'accounts' | 'clients'>): Promise<void> {
  for (const { id } of people) {
    if ((await accounts.find(id)) !== undefined) {
      throw new LedgerError('ledger.seed_in_production', `the store holds the public demonstration account ${id}`)
    }
  }
  const client = await clients.findSeeded()
  if (client !== undefined) {
    throw new LedgerError('ledger.seed_in_production', `the store holds the public demonstration client ${client}`)
  }
}
