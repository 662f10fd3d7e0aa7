import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqlite } from '@portcullis/store-sql'
import Database from 'libsql'

const directory = await mkdtemp(join(tmpdir(), 'ledger-'))
const store = await openSqlite({ filename: join(directory, 'ledger.db'), Database })

// A package declares what it keeps; the table and its indexes are made for it.
const codes = store.collection<{ user: string }>({ name: 'oauth.codes', indexes: ['user'] })

await codes.create('code-1', { user: 'grace' }, { expiresAt: Date.now() + 60_000, index: { user: 'grace' } })
for await (const { id, expiresAt } of codes.find('user', 'grace')) console.log(id, expiresAt !== undefined) // code-1 true

// Used once, however many ask at the same time, from however many processes.
console.log(await Promise.all([codes.take('code-1'), codes.take('code-1')])) // [ { user: 'grace' }, undefined ]

for (const { name, appliedAt } of await store.migrations.list()) console.log(name, appliedAt !== undefined) // 0001_collections true

await store.close()
await rm(directory, { recursive: true })
