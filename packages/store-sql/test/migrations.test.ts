import { manualClock } from '@portcullis/conformance/store'
import { scopePolicies } from '@portcullis/rate-limit'
import { describe, expect, it } from 'vitest'
import type { SqlStore } from '../src/index.ts'
import { createSqlRateLimitStore } from '../src/rate-limit.ts'
import { databases, type TestDatabase } from './databases.ts'
import { ask, freshDatabase, postgresIt, postgresStore, startPostgres } from './postgres.ts'

const ALL = ['0001_collections', '0002_rate_limits', '0003_rate_limit_refunds', '0004_rate_limit_logs']
const secret = 'sixteen bytes and more'

for (const database of databases) describe.skipIf(database.skipped)(database.title, () => tests(database))

function tests(database: TestDatabase): void {
  const fresh = database.start()
  const declare = (store: SqlStore) => store.collection<number>({ name: 'a.things', indexes: ['user'] })
  const policies = scopePolicies('test', [{ name: 'p', quota: 5, window: 60 }])

  async function applied(store: SqlStore): Promise<string[]> {
    const listed = await store.migrations.list()
    return listed.filter(({ appliedAt }) => appliedAt !== undefined).map(({ name }) => name)
  }

  describe('migrations.sql', () => {
    it('is a script that a person applies by hand: after it nothing is pending, and all works without a change of the schema', async () => {
      const address = await fresh()
      const first = await database.open(address, { migrate: false })
      declare(first)
      const script = await first.migrations.sql()
      // Asking has changed nothing.
      expect(await applied(first)).toEqual([])
      await database.run(address, script)

      const store = await database.open(address, { migrate: false })
      const things = declare(store)
      expect(await store.migrations.sql()).toBe('')
      expect(await applied(store)).toEqual(ALL)
      const [one] = await store.migrations.list()
      expect(Math.abs((one?.appliedAt ?? 0) - Date.now())).toBeLessThan(60_000)
      expect(await things.create('a', 1, { index: { user: 'u' } })).toBe(true)
      for await (const { id } of things.find('user', 'u')) expect(id).toBe('a')
      expect((await createSqlRateLimitStore({ store, secret, timeout: 10_000 }).consume(['k'], policies, 1)).allowed).toBe(true)
    })

    it('has what the store does itself, to the letter', async () => {
      const [byHand, byItself] = [await fresh(), await fresh()]
      const first = await database.open(byHand, { migrate: false })
      declare(first)
      await database.run(byHand, await first.migrations.sql())
      declare(await database.open(byItself)).get('a')
      const second = await database.open(byItself)
      declare(second)
      await second.prepare()
      const schema =
        database.title === 'on SQLite'
          ? "select name, sql from sqlite_master where name not like 'sqlite_%' order by name"
          : `select c.relname, c.relkind, pg_get_indexdef(c.oid) as index, a.attname, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull,
               a.attcollation::regcollation::text as collation, c.reloptions
             from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 where c.relname like 'pc\\_%' order by 1, 4`
      const tables = await database.ask(byItself, schema)
      expect(tables.length).toBeGreaterThan(5)
      expect(await database.ask(byHand, schema)).toEqual(tables)
    })

    it('has only what is missing: an index that is declared later, on a database that has the rest', async () => {
      const address = await fresh()
      const first = await database.open(address)
      await declare(first).create('a', 1, { index: { user: 'u' } })
      const store = await database.open(address)
      const things = store.collection<number>({ name: 'a.things', indexes: ['user', 'tenant'] })
      const script = await store.migrations.sql()
      expect(script).toContain('index_tenant')
      expect(script).not.toContain('create table')
      expect(script).not.toContain('index_user')
      await database.run(address, script)
      expect(await store.migrations.sql()).toBe('')
      const { version } = (await things.get('a'))!
      expect(await things.replace('a', version, 2, { index: { user: 'u', tenant: 't' } })).toBe(true)
      for await (const { value } of things.find('tenant', 't')) expect(value).toBe(2)
    })
  })

  describe('migrations.revert', () => {
    it('goes back to a migration, and forward again', async () => {
      const address = await fresh()
      const clock = manualClock()
      const store = await database.open(address, { clock })
      const things = declare(store)
      await things.create('a', 1)
      const listed = await store.migrations.revert('0001_collections')
      expect(listed.map(({ appliedAt }) => appliedAt)).toEqual([clock.now(), undefined, undefined, undefined])
      expect((await store.migrations.sql()).match(/pc_rate_limits/g)?.length).toBeGreaterThan(0)
      await expect(things.get('a')).rejects.toMatchObject({ code: 'store_sql.migration_pending' })
      expect(await applied(await database.open(address, { migrate: false }))).toEqual(['0001_collections'])
      clock.advance(1000)
      expect((await store.migrations.apply()).at(-1)?.appliedAt).toBe(clock.now())
      expect((await things.get('a'))?.value).toBe(1)
    })

    it('is refused where data would be lost, and loses it when that is asked for', async () => {
      const address = await fresh()
      const clock = manualClock()
      const store = await database.open(address, { clock })
      const things = declare(store)
      await things.create('a', 1)
      const limits = createSqlRateLimitStore({ store, secret, clock, timeout: 10_000 })
      await limits.consume(['k'], policies, 1)
      await expect(store.migrations.revert('0001_collections')).rejects.toMatchObject({ code: 'store_sql.revert_refused' })
      await expect(store.migrations.revert(null)).rejects.toMatchObject({ code: 'store_sql.revert_refused' })
      // A count that has run out is no loss; an entry is one.
      clock.advance(60_001)
      await expect(store.migrations.revert(null)).rejects.toMatchObject({ code: 'store_sql.revert_refused' })
      expect(await applied(store)).toEqual(ALL)
      expect((await things.get('a'))?.value).toBe(1)

      await store.migrations.revert(null, { loseData: true })
      expect(await applied(store)).toEqual([])
      await store.migrations.apply()
      expect(await things.get('a')).toBeUndefined()
      expect(await things.create('a', 2)).toBe(true)
    })

    it('to before there were logs loses these alone, is refused while one has something to tell, and leaves other counts', async () => {
      const address = await fresh()
      const clock = manualClock()
      const store = await database.open(address, { clock })
      const limits = createSqlRateLimitStore({ store, secret, clock, timeout: 10_000 })
      const both = scopePolicies('test', [
        { name: 'long', quota: 5, window: 3600 },
        { name: 'strict', algorithm: 'strict', quota: 5, window: 60 },
      ])
      await limits.consume(['k', 'k'], both, 2)
      await expect(store.migrations.revert('0003_rate_limit_refunds')).rejects.toMatchObject({ code: 'store_sql.revert_refused' })
      clock.advance(60_001)
      await store.migrations.revert('0003_rate_limit_refunds')
      expect(await database.ask(address, 'select scope from pc_rate_limits')).toEqual([{ scope: 'test:long' }])
      await store.migrations.apply()
      expect((await limits.consume(['k', 'k'], both, 0)).results).toMatchObject([{ remaining: 3 }, { remaining: 5 }])
      await limits.consume(['k', 'k'], both, 1)
      await store.migrations.revert('0001_collections', { loseData: true })
      await store.migrations.apply()
      expect((await limits.consume(['k', 'k'], both, 0)).results).toMatchObject([{ remaining: 5 }, { remaining: 5 }])
    })

    it('loses nothing when the collections are empty, and needs no word for that', async () => {
      const store = await database.open(await fresh())
      const things = declare(store)
      await things.create('a', 1)
      await things.remove('a')
      await store.migrations.revert(null)
      expect(await applied(store)).toEqual([])
    })

    it('to a migration that there is not is store_sql.options_invalid', async () => {
      const store = await database.open(await fresh())
      await expect(store.migrations.revert('0999_unheard_of')).rejects.toMatchObject({ code: 'store_sql.options_invalid' })
    })
  })
}

describe.skipIf(postgresIt.skipped)(`a version before this one, ${postgresIt.title}`, () => {
  const server = startPostgres()

  it('counts on beside this one, in the same buckets, until its last process is gone', async () => {
    const address = await freshDatabase(server())
    const store = await postgresStore(address)
    const limits = createSqlRateLimitStore({ store, secret, timeout: 10_000 })
    const policies = scopePolicies('test', [{ name: 'p', quota: 5, window: 36_000 }])
    await limits.consume(['k'], policies, 1)
    const [row] = await ask(address, 'select key from pc_rate_limits')
    const older = `select allowed.leads[1]::int as lead from pc_rate_limit(
      array['test:p'], array['${row?.['key']}'], array[1]::float8[], array[7200000]::float8[], array[36000000]::float8[],
      array['Infinity']::float8[], 1, null) allowed`
    // A little of the two hours may have come back.
    expect((await ask(address, older))[0]?.['lead']).toBeGreaterThan(0)
    expect((await limits.consume(['k'], policies, 0)).results).toMatchObject([{ remaining: 3 }])
  })
})

describe.skipIf(postgresIt.skipped)(`a role that may not change the schema, ${postgresIt.title}`, () => {
  const server = startPostgres()

  it('opens, writes, reads, limits and sweeps; what it may not do is store_sql.access_denied', async () => {
    const address = await freshDatabase(server())
    const role = `app_${new URL(address).pathname.slice(1)}`
    const owner = await postgresStore(address, { schema: 'portcullis', migrate: false })
    owner.collection({ name: 'a.things', indexes: ['user'] })
    await ask(address, await owner.migrations.sql())
    await ask(
      address,
      `create role ${role} login;
       grant usage on schema portcullis to ${role};
       grant select, insert, update, delete on all tables in schema portcullis to ${role}`,
    )
    // The default of migrate, too: there is nothing to apply.
    for (const migrate of [false, true]) {
      const store = await postgresStore(address.replace('//postgres@', `//${role}@`), { schema: 'portcullis', migrate })
      const things = store.collection<number>({ name: 'a.things', indexes: ['user'] })
      await store.prepare()
      expect(await things.create('a', 1, { index: { user: 'u' }, expiresAt: Date.now() + 60_000 })).toBe(true)
      const { version } = (await things.get('a'))!
      expect(await things.replace('a', version, 2, { index: { user: 'u' } })).toBe(true)
      for await (const { value } of things.find('user', 'u')) expect(value).toBe(2)
      expect(await things.take('a')).toBe(2)
      expect(await things.remove('a')).toBe(false)
      await store.sweep()
      const limits = createSqlRateLimitStore({ store, secret, timeout: 10_000 })
      const policies = scopePolicies(`test${String(migrate)}`, [{ name: 'p', quota: 5, window: 60 }])
      expect((await limits.consume(['k'], policies, 5)).allowed).toBe(true)
      expect((await limits.consume(['k'], policies, 1)).allowed).toBe(false)
      await limits.sweep()

      const other = store.collection({ name: 'a.others' })
      await expect(other.get('a')).rejects.toMatchObject({ code: 'store_sql.access_denied' })
      await expect(store.migrations.revert(null, { loseData: true })).rejects.toMatchObject({ code: 'store_sql.access_denied' })
    }
  })
})
