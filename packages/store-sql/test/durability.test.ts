import { beforeAll, describe, expect, it } from 'vitest'
import { databases, type TestDatabase } from './databases.ts'
import { bundleChild, killAfter, output, start } from './processes.ts'

let bundle: string
beforeAll(async () => {
  bundle = await bundleChild()
})

for (const database of databases) {
  describe.skipIf(database.skipped)(`several processes ${database.title}`, { timeout: 60_000 }, () => tests(database))
}

function tests(database: TestDatabase): void {
  const fresh = database.start()

  it('kill -9 in the middle of writes loses no write that was acknowledged, and leaves none half done', async () => {
    const address = await fresh()
    const store = await database.open(address)
    const numbers = store.collection<number>({ name: 'test.numbers', indexes: ['writer'] })
    for (const round of [1, 2, 3]) {
      const names = [`a${round}`, `b${round}`]
      const acknowledged = await Promise.all(names.map((name) => killAfter(start(bundle, 'write', address, name), 25 * round)))
      for (const [n, ids] of acknowledged.entries()) {
        expect(ids.length).toBeGreaterThanOrEqual(25 * round)
        for (const [expected, id] of ids.entries()) expect((await numbers.get(id))?.value).toBe(0 - expected)
        // And found by their index: row and index entry came together. One more may be done and not yet acknowledged.
        const found: string[] = []
        for await (const { id } of numbers.find('writer', names[n] ?? '')) found.push(id)
        expect(found.slice(0, ids.length)).toEqual(ids)
        expect(found.length).toBeLessThanOrEqual(ids.length + 2)
      }
      const check = database.title === 'on SQLite' ? 'pragma integrity_check' : "select 'ok' as integrity_check"
      expect(await database.ask(address, check)).toEqual([{ integrity_check: 'ok' }])
    }
  })

  it('ten processes that open a new database at once all succeed, and each migration runs once', async () => {
    const address = await fresh()
    const said = await Promise.all(Array.from({ length: 10 }, () => output(start(bundle, 'open', address))))
    expect(new Set(said).size).toBe(1)
    expect(await database.ask(address, 'select name from pc_migrations order by name')).toEqual([
      { name: '0001_collections' },
      { name: '0002_rate_limits' },
      { name: '0003_rate_limit_refunds' },
      { name: '0004_rate_limit_logs' },
    ])
    expect(await database.ask(address, 'select name, indexes from pc_collections')).toEqual([
      { name: 'test.numbers', indexes: '["writer"]' },
    ])
  })

  it('a one-time value is taken once, whichever of three processes asks', async () => {
    const address = await fresh()
    const store = await database.open(address)
    const numbers = store.collection<number>({ name: 'test.numbers', indexes: ['writer'] })
    for (let n = 0; n < 300; n++) await numbers.create(`code-${n}`, n)
    const said = await Promise.all(Array.from({ length: 3 }, () => output(start(bundle, 'take', address))))
    const taken = said.flatMap((line) => JSON.parse(line) as number[])
    expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, n) => n))
  })
}
