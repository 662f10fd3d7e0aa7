import { randomInt } from 'node:crypto'
import { manualClock } from '@portcullis/conformance/store'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { ask, freshDatabase, postgresIt, postgresStore, recordingPool, startPostgres } from './postgres.ts'

describe.skipIf(postgresIt.skipped)(postgresIt.title, () => {
  const server = startPostgres()

  it('statements are reached by indexes: find, the verbs and the sweep scan no table and sort nothing', async () => {
    const address = await freshDatabase(server())
    const clock = manualClock()
    const texts: string[] = []
    const store = await postgresStore(address, { clock, Pool: recordingPool(texts) })
    const things = store.collection<number>({ name: 'a.things', indexes: ['user'] })
    await store.prepare()
    // 200 users of 100 each, and a tenth that has expired.
    await ask(
      address,
      `insert into "pc_a$things" (id, value, version, expires_at, index_user)
       select 'id-' || n, '1', n, case when n % 10 = 0 then 1 else ${clock.now()} + n end, 'user-' || n % 200
       from generate_series(1, 20000) n; analyze`,
    )
    texts.length = 0
    await things.get('id-1')
    await things.replace('id-1', 1, 2)
    await things.create('id-1', 2)
    for (const order of ['ascending', 'descending'] as const) {
      for (const page of [{ order }, { order, after: 'id-5' }, { order, after: 'id-5', limit: 3 }]) {
        for await (const _ of things.find('user', 'user-7', page)) break
      }
    }
    await store.sweep()
    await things.take('id-1')
    await things.remove('id-2')
    const statements = [...new Set(texts)]
    expect(statements).toHaveLength(10)
    for (const text of statements) {
      const plan = await planOf(address, text)
      expect(plan, text).not.toMatch(/Seq Scan/)
      if (!text.startsWith('delete') || !text.includes('skip locked')) expect(plan, text).not.toMatch(/Sort/)
      if (text.includes('order by "id"')) {
        expect(plan, text).toMatch(/Index Scan( Backward)? using "?pc_a\$things\$index_user"?/)
        const behind = text.includes('"id" >') || text.includes('"id" <')
        if (behind) expect(plan, text).toMatch(/Index Cond: \(\(index_user = \$\d\) AND \(id [<>] \$\d/)
      }
      if (text.includes('skip locked')) expect(plan, text).toMatch(/Index Scan using "?pc_a\$things\$expires_at"?/)
    }
  })

  /** The plan that a prepared statement has once it does not look at its parameters any more. */
  async function planOf(address: string, text: string): Promise<string> {
    const marks = [...new Set(text.match(/\$\d+(?!\w)/g) ?? [])]
    const client = new pg.Client({ connectionString: address })
    await client.connect()
    await client.query('set plan_cache_mode = force_generic_plan')
    await client.query(`prepare statement as ${text}`)
    const { rows } = await client.query(`explain execute statement(${marks.map(() => 'null').join()})`)
    await client.end()
    return rows.map((row: Record<string, unknown>) => row['QUERY PLAN']).join('\n')
  }

  it('ids compare by their bytes, whatever the locale of the database', async () => {
    const address = await freshDatabase(server(), "template template0 locale_provider icu icu_locale 'en-US'")
    const [shown] = await ask(address, `select 'a' < 'B' as linguistic`)
    expect(shown).toEqual({ linguistic: true })
    const store = await postgresStore(address)
    const things = store.collection<number>({ name: 'a.things', indexes: ['user'] })
    const ordered = ['!', '0', 'A', 'B', 'Z', '_', 'a', 'b', 'z', 'é', '\uFF5E', '\u{1F3F0}']
    for (const id of ordered.toReversed()) await things.create(id, 1, { index: { user: 'u' } })
    const found: string[] = []
    for await (const { id } of things.find('user', 'u', { after: '!' })) found.push(id)
    expect(found).toEqual(ordered.slice(1))
  })

  it('the longest id and the longest key go together, of characters that nothing makes shorter', async () => {
    const address = await freshDatabase(server())
    const store = await postgresStore(address)
    const things = store.collection<number>({ name: 'a.things', indexes: ['user'] })
    const long = (): string => Array.from({ length: 512 }, () => String.fromCodePoint(randomInt(0x4e00, 0x9fff))).join('')
    const [id, key] = [long(), long()]
    expect(await things.create(id, 1, { index: { user: key } })).toBe(true)
    // A key that looks like what stands for the long one is another.
    const [row] = await ask(address, 'select index_user from "pc_a$things"')
    expect(await things.create('other', 2, { index: { user: String(row?.['index_user']) } })).toBe(true)
    const found: string[] = []
    for await (const one of things.find('user', key)) found.push(one.id)
    for await (const one of things.find('user', String(row?.['index_user']))) found.push(one.id)
    expect(found).toEqual([id, 'other'])
    expect(await things.take(id)).toBe(1)
  })

  it('expiries and versions up to 2^53 come back as they were', async () => {
    const address = await freshDatabase(server())
    const store = await postgresStore(address)
    const things = store.collection<number>({ name: 'a.things' })
    await things.create('a', 1, { expiresAt: Number.MAX_SAFE_INTEGER })
    expect(await things.get('a')).toMatchObject({ expiresAt: Number.MAX_SAFE_INTEGER })
    await ask(address, `update "pc_a$things" set version = ${Number.MAX_SAFE_INTEGER}`)
    const { version } = (await things.get('a'))!
    expect(version).toBe(Number.MAX_SAFE_INTEGER)
    expect(await things.replace('a', version, 2)).toBe(true)
  })

  it('tables are in the schema that was asked for, and stores in two schemas know nothing of each other', async () => {
    const address = await freshDatabase(server())
    const [one, other] = [await postgresStore(address, { schema: 'one' }), await postgresStore(address, { schema: 'other' })]
    const things = [one, other].map((store) => store.collection<string>({ name: 'a.things', indexes: ['user'] }))
    expect(await things[0]!.create('a', 'one', { index: { user: 'u' } })).toBe(true)
    expect(await things[1]!.create('a', 'other', { index: { user: 'u' } })).toBe(true)
    for await (const { value } of things[0]!.find('user', 'u')) expect(value).toBe('one')
    expect(await things[0]!.take('a')).toBe('one')
    expect((await things[1]!.get('a'))?.value).toBe('other')
    const tables = await ask(address, `select distinct schemaname from pg_tables where tablename like 'pc\\_%' order by 1`)
    expect(tables).toEqual([{ schemaname: 'one' }, { schemaname: 'other' }])
  })

  it('what has expired is deleted in batches that wait for nobody, and hold up nobody', async () => {
    const address = await freshDatabase(server())
    const clock = manualClock()
    const store = await postgresStore(address, { clock })
    const things = store.collection<number>({ name: 'a.things' })
    const rows = async (): Promise<unknown> => (await ask(address, 'select count(*)::int as n from "pc_a$things"'))[0]?.['n']
    for (let n = 0; n < 400; n++) await things.create(`dead-${n}`, n, { expiresAt: clock.now() + 1 })
    await things.create('alive', 1, { expiresAt: clock.now() + 1_000_000 })
    await things.create('immortal', 1)
    clock.advance(1)
    for (let n = 0; n < 64; n++) await things.create(`new-${n}`, n)
    expect(await rows()).toBe(402 + 64 - 128)
    // Another session holds one of the dead: it is passed over, and goes the next time.
    const other = new pg.Client({ connectionString: address })
    await other.connect()
    await other.query(`begin; select 1 from "pc_a$things" where id like 'dead-%' limit 1 for update`)
    await store.sweep()
    expect(await rows()).toBe(2 + 64 + 1)
    await other.query('commit')
    await other.end()
    await store.sweep()
    expect(await rows()).toBe(2 + 64)
    expect((await things.get('alive'))?.value).toBe(1)
  })
})
