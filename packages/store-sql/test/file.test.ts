import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'libsql'
import { describe, expect, it } from 'vitest'
import { openSqlite } from '../src/index.ts'
import { freshFile } from './directory.ts'
import { recordingDriver } from './recorder.ts'

describe('the file', () => {
  it('is readable by its owner alone, and so are -wal and -shm, whatever the umask says', async () => {
    const filename = freshFile()
    const before = process.umask(0)
    try {
      const store = await openSqlite({ filename, Database })
      await store.collection({ name: 'a.b' }).create('x', 'y')
      const modes = readdirSync(dirname(filename)).map((name) => {
        return [name, (statSync(join(dirname(filename), name)).mode & 0o777).toString(8)]
      })
      expect(Object.fromEntries(modes)).toEqual({ 'store.db': '600', 'store.db-shm': '600', 'store.db-wal': '600' })
      await store.close()
    } finally {
      process.umask(before)
    }
  })

  it.each(['640', '604', '660', '666', '644'])('that others may access (mode %s) is refused, and not changed', async (mode) => {
    const filename = freshFile()
    await (await openSqlite({ filename, Database })).close()
    chmodSync(filename, Number.parseInt(mode, 8))
    await expect(openSqlite({ filename, Database })).rejects.toMatchObject({ code: 'store_sql.file_exposed' })
    expect((statSync(filename).mode & 0o777).toString(8)).toBe(mode)
    chmodSync(filename, 0o600)
    await (await openSqlite({ filename, Database })).close()
  })

  it('is refused when its -wal file, which holds the newest writes, may be read by others', async () => {
    const filename = freshFile()
    const store = await openSqlite({ filename, Database })
    await store.collection({ name: 'a.b' }).create('x', 'y')
    chmodSync(`${filename}-wal`, 0o644)
    await expect(openSqlite({ filename, Database })).rejects.toMatchObject({ code: 'store_sql.file_exposed' })
    await store.close()
  })

  it('is not made through a symbolic link that points to nothing', async () => {
    const filename = freshFile()
    const elsewhere = `${filename}-elsewhere`
    symlinkSync(elsewhere, filename)
    const refused = await openSqlite({ filename, Database }).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'store_sql.file_unavailable' })
    expect(readdirSync(dirname(filename))).toEqual(['store.db'])
  })

  it('needs its directory to be there, and is no directory itself', async () => {
    const filename = freshFile()
    const code = 'store_sql.file_unavailable'
    await expect(openSqlite({ filename: join(filename, 'no', 'such.db'), Database })).rejects.toMatchObject({ code })
    mkdirSync(filename, 0o700)
    await expect(openSqlite({ filename, Database })).rejects.toMatchObject({ code })
  })

  it.each([
    '',
    ':memory:',
    'file:x.db',
    'FILE:x.db?mode=memory',
    'libsql://db.example',
    'http://db.example',
    'a\0b',
    'x?mode=ro',
    7,
  ])('is named by a path, and by no address that a driver takes for something else: %j', async (filename) => {
    const code = 'store_sql.options_invalid'
    await expect(openSqlite({ filename: filename as string, Database })).rejects.toMatchObject({ code })
  })

  it('that is no database is store_sql.corrupt', async () => {
    const filename = freshFile()
    writeFileSync(filename, 'this is a text file, and a long one.'.repeat(500), { mode: 0o600 })
    await expect(openSqlite({ filename, Database })).rejects.toMatchObject({ code: 'store_sql.corrupt' })
    expect(readFileSync(filename, 'utf8')).toContain('this is a text file')
  })

  it('that was damaged is store_sql.corrupt', async () => {
    const filename = freshFile()
    const store = await openSqlite({ filename, Database })
    const things = store.collection<string>({ name: 'a.things' })
    for (let n = 0; n < 200; n++) await things.create(`id-${n}`, 'x'.repeat(500))
    await store.close()
    const bytes = readFileSync(filename)
    // Behind the first pages, which hold the schema.
    bytes.fill(0xa5, 8 * 4096)
    writeFileSync(filename, bytes)
    const again = await openSqlite({ filename, Database })
    const damaged = again.collection<string>({ name: 'a.things' })
    const codes = new Set<unknown>()
    for (let n = 0; n < 200; n++) {
      const outcome = await damaged.get(`id-${n}`).catch((error: unknown) => error)
      if (outcome instanceof Error && 'code' in outcome) codes.add(outcome.code)
    }
    expect([...codes]).toEqual(['store_sql.corrupt'])
    await again.close()
  })

  it('holds everything by itself once it is closed', async () => {
    const filename = freshFile()
    const store = await openSqlite({ filename, Database })
    await store.collection({ name: 'a.b' }).create('x', 'kept')
    await store.close()
    const copy = `${filename}.copy`
    writeFileSync(copy, readFileSync(filename), { mode: 0o600 })
    const restored = await openSqlite({ filename: copy, Database })
    expect((await restored.collection({ name: 'a.b' }).get('x'))?.value).toBe('kept')
    await restored.close()
  })
})

describe('the connection', () => {
  it('writes ahead, and waits for the disk at each commit: what was acknowledged survives the loss of power', async () => {
    const { Database: Recording, connections } = recordingDriver()
    const store = await openSqlite({ filename: freshFile(), Database: Recording })
    const ask = (name: string): unknown => Object.values(connections[0]?.prepare(`pragma ${name}`).all()[0] ?? {})[0]
    expect(['journal_mode', 'synchronous', 'foreign_keys', 'trusted_schema', 'busy_timeout'].map(ask)).toEqual([
      'wal',
      2,
      1,
      0,
      10,
    ])
    await store.close()
  })

  it.each([-1, 0.5, Number.NaN, 60_001, '5' as unknown as number])('takes no busyTimeout of %s', async (busyTimeout) => {
    const code = 'store_sql.options_invalid'
    await expect(openSqlite({ filename: freshFile(), Database, busyTimeout })).rejects.toMatchObject({ code })
  })

  it('needs a driver', async () => {
    const nothing = undefined as unknown as typeof Database
    const code = 'store_sql.options_invalid'
    await expect(openSqlite({ filename: freshFile(), Database: nothing })).rejects.toMatchObject({ code })
  })
})
