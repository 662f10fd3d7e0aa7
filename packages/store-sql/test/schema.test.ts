import { manualClock } from '@portcullis/conformance/store'
import Database from 'libsql'
import { describe, expect, it } from 'vitest'
import { openSqlite, type SqlStore } from '../src/index.ts'
import { freshFile } from './directory.ts'
import { recordingDriver } from './recorder.ts'

const ALL = ['0001_collections', '0002_rate_limits', '0003_rate_limit_refunds', '0004_rate_limit_logs']

async function ids(store: SqlStore, indexes: string[], index: string, key: string): Promise<string[]> {
  const found: string[] = []
  for await (const { id } of store.collection({ name: 'a.things', indexes }).find(index, key)) found.push(id)
  return found
}

describe('migrations', () => {
  it('are listed with the time at which they were applied, and run once', async () => {
    const filename = freshFile()
    const clock = manualClock()
    const first = await openSqlite({ filename, Database, clock })
    const listed = await first.migrations.list()
    expect(listed).toEqual(ALL.map((name) => ({ name, appliedAt: clock.now() })))
    await first.close()
    clock.advance(1000)
    const second = await openSqlite({ filename, Database, clock })
    expect(await second.migrations.apply()).toEqual(listed)
    await second.close()
  })

  it('wait to be applied when asked to: until then they are listed as pending, and verbs say so', async () => {
    const clock = manualClock()
    const store = await openSqlite({ filename: freshFile(), Database, clock, migrate: false })
    const things = store.collection<number>({ name: 'a.things' })
    expect(await store.migrations.list()).toEqual(ALL.map((name) => ({ name, appliedAt: undefined })))
    await expect(things.create('a', 1)).rejects.toMatchObject({ code: 'store_sql.migration_pending' })
    await expect(store.prepare()).rejects.toMatchObject({ code: 'store_sql.migration_pending' })
    expect(await store.migrations.apply()).toEqual(ALL.map((name) => ({ name, appliedAt: clock.now() })))
    expect(await things.create('a', 1)).toBe(true)
    await store.close()
  })

  it.each([true, false])(
    'of a newer version are refused: a downgrade does not write what it does not know (migrate: %s)',
    async (migrate) => {
      const filename = freshFile()
      await (await openSqlite({ filename, Database })).close()
      const raw = new Database(filename)
      raw.exec("insert into pc_migrations (name, applied_at) values ('0999_from_the_future', 1)")
      raw.close()
      await expect(openSqlite({ filename, Database, migrate })).rejects.toMatchObject({ code: 'store_sql.migration_unknown' })
    },
  )

  it('that fail leave nothing half done, and run at the next opening', async () => {
    const filename = freshFile()
    const recorder = recordingDriver()
    const insert = 'insert into "pc_migrations"'
    const failing = new Proxy(recorder.Database, {
      construct(target, [path]: [string]) {
        const connection = new target(path)
        return new Proxy(connection, {
          get(of, key) {
            if (key !== 'prepare')
              return typeof of[key as 'exec'] === 'function' ? of[key as 'exec'].bind(of) : of[key as 'inTransaction']
            return (sql: string) => {
              if (sql.startsWith(insert)) recorder.failure = Object.assign(new TypeError('disk'), { code: 'SQLITE_FULL' })
              return of.prepare(sql)
            }
          },
        })
      },
    })
    await expect(openSqlite({ filename, Database: failing })).rejects.toMatchObject({ code: 'store_sql.disk_full', status: 503 })
    const raw = new Database(filename)
    expect(raw.prepare("select name from sqlite_master where name like 'pc_%'").all()).toEqual([])
    raw.close()
    const store = await openSqlite({ filename, Database })
    expect((await store.migrations.list()).every(({ appliedAt }) => appliedAt !== undefined)).toBe(true)
    await store.close()
  })
})

describe('tables', () => {
  it('get a new column and index when a later version declares one: old entries keep theirs', async () => {
    const filename = freshFile()
    const before = await openSqlite({ filename, Database })
    const old = before.collection({ name: 'a.things', indexes: ['user'] })
    await old.create('old', 1, { index: { user: 'u' } })
    await before.close()

    const after = await openSqlite({ filename, Database })
    const things = after.collection({ name: 'a.things', indexes: ['user', 'tenant'] })
    await things.create('new', 2, { index: { user: 'u', tenant: 't' } })
    expect(await ids(after, ['user', 'tenant'], 'user', 'u')).toEqual(['new', 'old'])
    expect(await ids(after, ['user', 'tenant'], 'tenant', 't')).toEqual(['new'])
    const { version } = (await things.get('old'))!
    await things.replace('old', version, 1, { index: { tenant: 't' } })
    expect(await ids(after, ['user', 'tenant'], 'tenant', 't')).toEqual(['new', 'old'])
    await after.close()

    const again = await openSqlite({ filename, Database })
    expect(await ids(again, ['tenant'], 'tenant', 't')).toEqual(['new', 'old'])
    await again.close()
  })

  it('are made by prepare, before any verb', async () => {
    const filename = freshFile()
    const store = await openSqlite({ filename, Database })
    store.collection({ name: 'a.things', indexes: ['user'] })
    store.collection({ name: 'lonely' })
    await store.prepare()
    const raw = new Database(filename)
    const tables = raw.prepare("select name from sqlite_master where type = 'table' and name like 'pc_%' order by name").all()
    expect(tables).toEqual(
      ['pc_a$things', 'pc_collections', 'pc_lonely', 'pc_migrations', 'pc_rate_limits'].map((name) => ({ name })),
    )
    raw.close()
    await store.close()
  })

  it('are STRICT, and compare ids by their bytes', async () => {
    const filename = freshFile()
    const store = await openSqlite({ filename, Database })
    store.collection({ name: 'a.things', indexes: ['user'] })
    await store.prepare()
    const raw = new Database(filename)
    const { sql } = raw.prepare("select sql from sqlite_master where name = 'pc_a$things'").get() as { sql: string }
    expect(sql).toMatch(/"id" text collate binary not null primary key/)
    expect(sql).toMatch(/"index_user" text collate binary/)
    expect(sql).toMatch(/\) strict$/)
    raw.close()
    await store.close()
  })

  it('are reached by indexes: find, the verbs and the sweep scan nothing and sort nothing', async () => {
    const filename = freshFile()
    const recorder = recordingDriver()
    const clock = manualClock()
    const store = await openSqlite({ filename, Database: recorder.Database, clock })
    const things = store.collection({ name: 'a.things', indexes: ['user'] })
    await things.create('a', 1, { index: { user: 'u' }, expiresAt: clock.now() + 1 })
    recorder.prepared.length = 0
    await things.get('a')
    await things.replace('a', 1, 2)
    for (const order of ['ascending', 'descending'] as const) {
      for (const page of [{ order }, { order, after: 'b' }, { order, after: 'b', limit: 3 }]) {
        for await (const _ of things.find('user', 'u', page)) break
      }
    }
    await store.sweep()
    await things.take('a')
    await things.remove('a')
    const texts = [...new Set(recorder.prepared)]
    expect(texts.length).toBeGreaterThanOrEqual(9)

    const raw = new Database(filename)
    for (const text of texts) {
      const marks = text.match(/\?/g)?.map(() => '1') ?? []
      const plan = raw.prepare(`explain query plan ${text}`).all(...marks) as { detail: string }[]
      const details = plan.map(({ detail }) => detail).join('; ')
      expect(details, text).not.toMatch(/\bSCAN\b|TEMP B-TREE|AUTOMATIC/)
      if (text.includes('where "index_user" = ?')) {
        expect(details, text).toMatch(/SEARCH pc_a\$things USING INDEX pc_a\$things\$index_user \(index_user=\?/)
        if (text.includes('"id" >') || text.includes('"id" <')) expect(details).toMatch(/\(index_user=\? AND id[<>]\?\)/)
      }
    }
    raw.close()
    await store.close()
  })
})

describe('what has expired', () => {
  it('is deleted by the writes that follow, a batch at a time, and by sweep at once; what lives stays', async () => {
    const filename = freshFile()
    const clock = manualClock()
    const store = await openSqlite({ filename, Database, clock })
    const things = store.collection<number>({ name: 'a.things' })
    const raw = new Database(filename)
    const rows = (): number => (raw.prepare('select count(*) as n from "pc_a$things"').get() as { n: number }).n
    for (let n = 0; n < 500; n++) await things.create(`dead-${n}`, n, { expiresAt: clock.now() + 1 })
    await things.create('alive', 1, { expiresAt: clock.now() + 1_000_000 })
    await things.create('immortal', 1)
    expect(rows()).toBe(502)
    clock.advance(1)
    for (let n = 0; n < 64; n++) await things.create(`new-${n}`, n)
    expect(rows()).toBe(502 + 64 - 128)
    await store.sweep()
    expect(rows()).toBe(2 + 64)
    expect((await things.get('alive'))?.value).toBe(1)
    expect((await things.get('immortal'))?.value).toBe(1)
    raw.close()
    await store.close()
  })
})
