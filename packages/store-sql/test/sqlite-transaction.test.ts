import Database from 'libsql'
import { expect, it } from 'vitest'
import { openSqlite, type SqliteConnection, type SqliteConstructor } from '../src/index.ts'
import { freshFile } from './directory.ts'

/** A driver whose disk is full at one kind of statement. */
function failingAt(beginning: string): SqliteConstructor {
  return function open(filename: string, options?: { timeout?: number }): SqliteConnection {
    const connection: SqliteConnection = new Database(filename, options)
    return {
      exec: (text) => connection.exec(text),
      get inTransaction() {
        return connection.inTransaction
      },
      close: () => connection.close(),
      prepare(text) {
        if (text.startsWith(beginning)) throw Object.assign(new TypeError('full'), { code: 'SQLITE_FULL' })
        return connection.prepare(text)
      },
    }
  } as unknown as SqliteConstructor
}

it('a verb that comes while a table is being made is no part of that transaction: when it fails, what was written stays', async () => {
  const filename = freshFile()
  const before = await openSqlite({ filename, Database })
  await before.collection<number>({ name: 'a.things' }).create('first', 1)
  await before.close()

  const store = await openSqlite({ filename, Database: failingAt('insert into "pc_collections"') })
  const things = store.collection<number>({ name: 'a.things' })
  expect((await things.get('first'))?.value).toBe(1)
  let making = true
  const failed = store
    .collection({ name: 'a.others' })
    .get('x')
    .catch((error: unknown) => error)
    .finally(() => {
      making = false
    })
  const written: string[] = []
  const writes: Promise<void>[] = []
  for (let n = 0; making; n++) {
    writes.push(
      things.create(`id-${n}`, n).then((created) => {
        if (created) written.push(`id-${n}`)
      }),
    )
    await Promise.resolve()
  }
  expect(await failed).toMatchObject({ code: 'store_sql.disk_full' })
  await Promise.all(writes)
  expect(written).toHaveLength(writes.length)
  await store.close()
  const raw = new Database(filename)
  expect(raw.prepare(`select count(*) as n from "pc_a$things" where id <> 'first'`).all()).toEqual([{ n: written.length }])
  expect(raw.prepare(`select name from sqlite_master where name = 'pc_a$others'`).all()).toEqual([])
  raw.close()
})
