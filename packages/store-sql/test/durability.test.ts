import Database from 'libsql'
import { beforeAll, describe, expect, it } from 'vitest'
import { openSqlite } from '../src/index.ts'
import { freshFile } from './directory.ts'
import { bundleChild, killAfter, output, start } from './processes.ts'

describe('several processes on one file', { timeout: 60_000 }, () => {
  let bundle: string
  beforeAll(async () => {
    bundle = await bundleChild()
  })

  it('kill -9 in the middle of writes loses no write that was acknowledged, and leaves none half done', async () => {
    const filename = freshFile()
    for (const round of [1, 2, 3]) {
      const names = [`a${round}`, `b${round}`]
      const acknowledged = await Promise.all(names.map((name) => killAfter(start(bundle, 'write', filename, name), 25 * round)))
      const store = await openSqlite({ filename, Database })
      const numbers = store.collection<number>({ name: 'test.numbers', indexes: ['writer'] })
      for (const [n, ids] of acknowledged.entries()) {
        expect(ids.length).toBeGreaterThanOrEqual(25 * round)
        for (const [expected, id] of ids.entries()) expect((await numbers.get(id))?.value).toBe(0 - expected)
        // And found by their index: row and index entry came together. One more may be done and not yet acknowledged.
        const found: string[] = []
        for await (const { id } of numbers.find('writer', names[n] ?? '')) found.push(id)
        expect(found.slice(0, ids.length)).toEqual(ids)
        expect(found.length).toBeLessThanOrEqual(ids.length + 2)
      }
      await store.close()
      const raw = new Database(filename)
      expect(raw.prepare('pragma integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
      raw.close()
    }
  })

  it('six processes that open a new file at once all succeed, and each migration runs once', async () => {
    const filename = freshFile()
    const said = await Promise.all(Array.from({ length: 6 }, () => output(start(bundle, 'open', filename))))
    expect(new Set(said).size).toBe(1)
    const raw = new Database(filename)
    expect(raw.prepare('select count(*) as n from pc_migrations').all()).toEqual([{ n: 2 }])
    expect(raw.prepare('select name, indexes from pc_collections').all()).toEqual([
      { name: 'test.numbers', indexes: '["writer"]' },
    ])
    raw.close()
  })

  it('a one-time value is taken once, whichever of three processes asks', async () => {
    const filename = freshFile()
    const store = await openSqlite({ filename, Database })
    const numbers = store.collection<number>({ name: 'test.numbers', indexes: ['writer'] })
    for (let n = 0; n < 300; n++) await numbers.create(`code-${n}`, n)
    const said = await Promise.all(Array.from({ length: 3 }, () => output(start(bundle, 'take', filename))))
    const taken = said.flatMap((line) => JSON.parse(line) as number[])
    expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, n) => n))
    await store.close()
  })
})
