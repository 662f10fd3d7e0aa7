import Database from 'libsql'
import { describe, expect, it } from 'vitest'
import { openSqlite, type SqliteConnection, type SqliteConstructor, StoreError } from '../src/index.ts'
import { freshFile } from './directory.ts'
import { recordingDriver } from './recorder.ts'

describe('after close', () => {
  it('every verb is store_sql.closed, and closing again does nothing', async () => {
    const store = await openSqlite({ filename: freshFile(), Database })
    const things = store.collection<number>({ name: 'a.things', indexes: ['user'] })
    await things.create('a', 1)
    await store.close()
    await store.close()
    const uses = [
      () => things.get('a'),
      () => things.create('b', 1),
      () => things.replace('a', 1, 2),
      () => things.take('a'),
      () => things.remove('a'),
      () => things.find('user', 'u')[Symbol.asyncIterator]().next(),
      () => store.prepare().then(() => store.sweep()),
      () => store.migrations.list(),
      () => store.collection({ name: 'a.others' }).get('a'),
    ]
    for (const use of uses) await expect(use()).rejects.toMatchObject({ name: 'StoreError', code: 'store_sql.closed' })
  })

  it('what was under way before is done', async () => {
    const filename = freshFile()
    const store = await openSqlite({ filename, Database })
    const things = store.collection<number>({ name: 'a.things' })
    await store.prepare()
    const writes = Promise.all(Array.from({ length: 50 }, (_, n) => things.create(`id-${n}`, n)))
    // The verbs have reached the database once they were asked and the event loop has turned.
    await Promise.resolve()
    await Promise.resolve()
    await store.close()
    expect((await writes).every(Boolean)).toBe(true)
    const again = await openSqlite({ filename, Database })
    expect((await again.collection({ name: 'a.things' }).get('id-49'))?.value).toBe(49)
    await again.close()
  })
})

describe('a lock that another process holds', () => {
  it('is waited out, and is store_sql.busy when that takes too long; reads go on', async () => {
    const filename = freshFile()
    const store = await openSqlite({ filename, Database, busyTimeout: 50 })
    const things = store.collection<number>({ name: 'a.things' })
    await things.create('a', 1)
    const other = new Database(filename)
    other.exec('begin immediate')
    await expect(things.create('b', 1)).rejects.toMatchObject({ code: 'store_sql.busy', status: 503 })
    expect((await things.get('a'))?.value).toBe(1)
    const patient = await openSqlite({ filename, Database, busyTimeout: 60_000 })
    const waiting = patient.collection<number>({ name: 'a.things' }).create('b', 1)
    // A new table waits for the lock as well.
    const preparing = patient.collection<number>({ name: 'a.others' }).create('b', 1)
    for (const one of [waiting, preparing]) {
      expect(await Promise.race([one, new Promise((done) => setImmediate(done, 'still waiting'))])).toBe('still waiting')
    }
    other.exec('commit')
    expect(await Promise.all([waiting, preparing])).toEqual([true, true])
    await patient.close()
    other.close()
    await store.close()
  })

  it('is asked for by one at a time, of any number who wait: each time stops the event loop for a moment', async () => {
    let asked = 0
    const Counting = function open(filename: string, options?: { timeout?: number }): SqliteConnection {
      const connection: SqliteConnection = new Database(filename, options)
      const { exec } = connection
      return Object.assign(connection, {
        exec(text: string) {
          if (text === 'begin immediate') asked += 1
          return exec.call(connection, text)
        },
      })
    } as unknown as SqliteConstructor
    const filename = freshFile()
    const store = await openSqlite({ filename, Database: Counting, busyTimeout: 60_000 })
    const things = store.collection<number>({ name: 'a.things' })
    await things.create('a', 1)
    const other = new Database(filename)
    other.exec('begin immediate')
    const writes = Promise.all(Array.from({ length: 20 }, (_, n) => things.create(`id-${n}`, n)))
    await new Promise((done) => setImmediate(done))
    const before = asked
    let turns = 0
    for (; asked < before + 10; turns++) await new Promise((done) => setImmediate(done))
    expect(turns).toBeGreaterThanOrEqual(9)
    other.exec('commit')
    expect((await writes).every(Boolean)).toBe(true)
    other.close()
    await store.close()
  })

  it('leaves a connection that can write again, though others wrote meanwhile (libsql keeps failed statements open)', async () => {
    const filename = freshFile()
    const store = await openSqlite({ filename, Database, busyTimeout: 0 })
    const things = store.collection<number>({ name: 'a.things' })
    await things.create('a', 1)
    const { version } = (await things.get('a'))!
    const other = new Database(filename)
    for (const write of [() => things.create('b', 1), () => things.replace('a', version, 2), () => things.take('a')]) {
      other.exec('begin immediate')
      other.exec(`insert into "pc_a$things" (id, value, version) values ('${Math.random()}', '1', 1)`)
      await expect(write()).rejects.toMatchObject({ code: 'store_sql.busy' })
      other.exec('commit')
      expect(await things.create(`after-${Math.random()}`, 1)).toBe(true)
    }
    other.close()
    await store.close()
  })
})

describe('errors', () => {
  it.each([
    ['SQLITE_BUSY_SNAPSHOT', 'store_sql.busy', 503],
    ['SQLITE_LOCKED_SHAREDCACHE', 'store_sql.busy', 503],
    ['SQLITE_CORRUPT_INDEX', 'store_sql.corrupt', 500],
    ['SQLITE_FULL', 'store_sql.disk_full', 503],
    ['SQLITE_READONLY_DBMOVED', 'store_sql.read_only', 503],
    ['SQLITE_IOERR_FSYNC', 'store_sql.file_unavailable', 503],
    ['SQLITE_CANTOPEN', 'store_sql.file_unavailable', 503],
    ['SQLITE_ERROR', 'store_sql.failed', 500],
    ['', 'store_sql.failed', 500],
  ])('%s is %s', async (given, code, status) => {
    const recorder = recordingDriver()
    const filename = freshFile()
    const store = await openSqlite({ filename, Database: recorder.Database, busyTimeout: 0 })
    const things = store.collection<number>({ name: 'a.things' })
    await store.prepare()
    const cause = Object.assign(new TypeError('from the driver'), { code: given })
    for (const verb of [() => things.get('a'), () => things.create('a', 1), () => things.take('a')]) {
      recorder.failure = cause
      await expect(verb()).rejects.toMatchObject({ name: 'StoreError', code, status, cause })
    }
    // The transaction around the write that failed was rolled back: the next write is a transaction of its own, and committed.
    expect(await things.create('a', 1)).toBe(true)
    const other = new Database(filename)
    expect(other.prepare('select id from "pc_a$things"').all()).toEqual([{ id: 'a' }])
    other.close()
    await store.close()
  })

  it('hold no id, no key and no value', async () => {
    const filename = freshFile()
    const store = await openSqlite({ filename, Database })
    const things = store.collection<string>({ name: 'a.things', indexes: ['user'] })
    await store.prepare()
    const raw = new Database(filename)
    raw.exec('drop table "pc_a$things"')
    raw.close()
    const secrets = ['secret-id', 'secret-key', 'secret-value']
    const uses = [
      () => things.get('secret-id'),
      () => things.create('secret-id', 'secret-value', { index: { user: 'secret-key' } }),
      () => things.replace('secret-id', 1, 'secret-value'),
      () => things.take('secret-id'),
      () => things.find('user', 'secret-key')[Symbol.asyncIterator]().next(),
    ]
    for (const use of uses) {
      const error = await use().catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(StoreError)
      const { cause, message, stack } = error as StoreError
      const said = [message, stack, String(cause), JSON.stringify(error), JSON.stringify(cause)].join()
      for (const secret of secrets) expect(said).not.toContain(secret)
    }
    await store.close()
  })

  it('of the sweep do not fail the write that it follows', async () => {
    const recorder = recordingDriver()
    const store = await openSqlite({ filename: freshFile(), Database: recorder.Database })
    const things = store.collection<number>({ name: 'a.things' })
    for (let n = 0; n < 63; n++) await things.create(`id-${n}`, n)
    const sixtyFourth = things.create('id-63', 63)
    // The insert is on its way with what it binds; the next statement that runs is the sweep.
    while (!recorder.bound.includes('id-63')) await Promise.resolve()
    recorder.failure = Object.assign(new TypeError('disk'), { code: 'SQLITE_IOERR' })
    expect(await sixtyFourth).toBe(true)
    expect(recorder.failure).toBeUndefined()
    await store.close()
  })
})

describe('SQL injection', () => {
  const ATTACKS = [
    'x\'); drop table "pc_a$things"; --',
    "' or '1'='1",
    '" or ""="',
    "x' union select sql from sqlite_master --",
    '?1; ?2',
  ]

  it('through ids, index keys, values and pages changes no statement: each is bound', async () => {
    const recorder = recordingDriver()
    const store = await openSqlite({ filename: freshFile(), Database: recorder.Database })
    const things = store.collection<string>({ name: 'a.things', indexes: ['user'] })
    await things.create('bystander', 'untouched', { index: { user: 'bystander' } })
    for (const attack of ATTACKS) {
      expect(await things.get(attack)).toBeUndefined()
      expect(await things.create(attack, attack, { index: { user: attack } })).toBe(true)
      const { version } = (await things.get(attack))!
      expect(await things.replace(attack, version, attack, { index: { user: attack } })).toBe(true)
      const found: string[] = []
      for await (const { id } of things.find('user', attack, { after: '!' })) found.push(id)
      for await (const { id } of things.find('user', attack, { after: attack })) found.push(id)
      expect(found).toEqual([attack].filter((id) => id > '!'))
      expect(await things.take(attack)).toBe(attack)
      expect(await things.remove(attack)).toBe(false)
    }
    expect((await things.get('bystander'))?.value).toBe('untouched')
    for (const attack of ATTACKS) {
      expect(recorder.bound).toContain(attack)
      expect(recorder.prepared.filter((text) => text.includes(attack))).toEqual([])
    }
    await store.close()
  })
})
