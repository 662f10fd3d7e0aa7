import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { scopePolicies } from '@portcullis/rate-limit'
import { openPostgres, openSqlite } from '@portcullis/store-sql'
import { createSqlRateLimitStore } from '@portcullis/store-sql/rate-limit'
import Database from 'libsql'
import { Pool } from 'pg'

// One machine: a file. Several: a server, by one variable.
const directory = await mkdtemp(join(tmpdir(), 'ledger-'))
const connectionString = process.env['DATABASE_URL']
const store =
  connectionString === undefined
    ? await openSqlite({ filename: join(directory, 'ledger.db'), Database })
    : await openPostgres({ connectionString, Pool })

// A package declares what it keeps; the table and its indexes are made for it.
const codes = store.collection<{ user: string }>({ name: 'oauth.codes', indexes: ['user'] })

await codes.create('code-1', { user: 'grace' }, { expiresAt: Date.now() + 60_000, index: { user: 'grace' } })
for await (const { id, expiresAt } of codes.find('user', 'grace')) console.log(id, expiresAt !== undefined) // code-1 true

// Used once, however many ask at the same time, from however many processes.
const uses = await Promise.all([codes.take('code-1'), codes.take('code-1')])
console.log(uses.filter((use) => use !== undefined)) // [ { user: 'grace' } ]

// Limits that all processes on the database share: give them to `limit` or `createBruteForceGuard`. Sign-ins can wait for longer than 50 ms.
const secret = process.env['LIMIT_SECRET'] ?? 'at least 16 random bytes'
const limits = createSqlRateLimitStore({ store, secret, timeout: 2000 })
const policies = scopePolicies('api', [{ name: 'minute', quota: 2, window: 60 }])
for (let n = 0; n < 3; n++) console.log((await limits.consume(['203.0.113.7'], policies, 1)).allowed) // true, true, false

// For a person who applies changes of the schema by hand: what is missing. Here nothing is.
console.log((await store.migrations.sql()) === '') // true

await store.close()
await rm(directory, { recursive: true })
