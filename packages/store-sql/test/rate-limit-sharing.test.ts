import { FaultProxy } from '@portcullis/conformance/servers'
import { manualClock } from '@portcullis/conformance/store'
import { createMemoryStore } from '@portcullis/core'
import { scopePolicies } from '@portcullis/rate-limit'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { SqlStore } from '../src/index.ts'
import { createSqlRateLimitStore } from '../src/rate-limit.ts'
import { databases, type TestDatabase } from './databases.ts'
import { ask, freshDatabase, postgresIt, postgresStore, recordingPool, startPostgres } from './postgres.ts'

const secret = 'sixteen bytes and more'
const policies = scopePolicies('test', [{ name: 'p', quota: 5, window: 60 }])

describe('options', () => {
  it('a store that does not come from here, or a secret that is too short, is rate_limit.options_invalid', async () => {
    const [database] = databases
    const store = await database!.open(await database!.start()())
    for (const options of [
      { store: createMemoryStore() as SqlStore, secret },
      { store, secret: 'short' },
      { store, secret, timeout: 0 },
    ]) {
      expect(() => createSqlRateLimitStore(options)).toThrow(expect.objectContaining({ code: 'rate_limit.options_invalid' }))
    }
  })
})

for (const database of databases) describe.skipIf(database.skipped)(database.title, () => tests(database))

function tests(database: TestDatabase): void {
  const fresh = database.start()

  it('keys are in the database as digests alone, and without the secret nobody finds out whose they are', async () => {
    const address = await fresh()
    const store = await database.open(address)
    const limits = createSqlRateLimitStore({ store, secret, timeout: 10_000 })
    await limits.consume(['203.0.113.7'], policies, 1)
    await createSqlRateLimitStore({ store, secret: `another ${secret}`, timeout: 10_000 }).consume(['203.0.113.7'], policies, 1)
    const rows = await database.ask(address, 'select scope, key from pc_rate_limits')
    expect(rows).toHaveLength(2)
    for (const row of rows) expect(row).toEqual({ scope: 'test:p', key: expect.stringMatching(/^[\w-]{22}$/) })
  })

  it('buckets that have nothing to tell any more are deleted, by checks a few at a time and by sweep; live ones stay', async () => {
    const address = await fresh()
    const clock = manualClock()
    const limits = createSqlRateLimitStore({ store: await database.open(address), secret, clock, timeout: 10_000 })
    const rows = async (): Promise<number> =>
      Number((await database.ask(address, 'select count(*) as n from pc_rate_limits'))[0]?.['n'])
    for (let n = 0; n < 600; n++) await limits.consume([`k${n}`], policies, 1)
    clock.advance(12_001)
    for (let n = 0; n < 64; n++) await limits.consume([`new${n}`], policies, 2)
    // Each 64 checks look at 256 buckets: five times as many come round.
    for (let n = 0; n < 5 * 64; n++) await limits.consume(['new0'], policies, 0)
    await expect.poll(rows, { timeout: 10_000 }).toBe(64)
    await limits.sweep()
    expect(await rows()).toBe(64)
    clock.advance(24_000)
    // To the very millisecond it tells something; then it does not.
    await limits.sweep()
    expect(await rows()).toBe(64)
    clock.advance(1)
    await limits.sweep()
    expect(await rows()).toBe(0)
  })

  it('a check that is refused, or that only asks, charges nothing; what only asks leaves no bucket', async () => {
    const address = await fresh()
    const limits = createSqlRateLimitStore({ store: await database.open(address), secret, timeout: 10_000 })
    await limits.consume(['k'], policies, 0)
    expect(await database.ask(address, 'select * from pc_rate_limits')).toEqual([])
  })
}

describe.skipIf(postgresIt.skipped)(`a server, ${postgresIt.title}`, () => {
  const server = startPostgres()

  it('200 checks at once of keys that overlap, in all orders, wait for each other and never for ever: no deadlock', async () => {
    const address = await freshDatabase(server())
    const stores = await Promise.all([0, 1, 2].map(() => postgresStore(address)))
    const limits = stores.map((store) => createSqlRateLimitStore({ store, secret, timeout: 20_000 }))
    const many = scopePolicies(
      'many',
      ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, quota: 1000, window: 3600 })),
    )
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        Array.from({ length: 200 }, (_, n) => {
          const turned = [...many.slice(n % 5), ...many.slice(0, n % 5)]
          const order = n % 2 === 0 ? turned : turned.toReversed()
          return limits[n % 3]!.consume(
            order.map(({ name }) => `${name}${n % 2}`),
            order,
            1,
          )
        }),
      )
    }
    const [counted] = await ask(address, 'select deadlocks::int from pg_stat_database where datname = current_database()')
    expect(counted).toEqual({ deadlocks: 0 })
    // And none was lost: each of the ten buckets was charged 500 times.
    for (const parity of [0, 1]) {
      const { results } = await limits[0]!.consume(
        many.map(({ name }) => `${name}${parity}`),
        many,
        0,
      )
      expect(results.map(({ remaining }) => remaining)).toEqual([500, 500, 500, 500, 500])
    }
  })

  it('a check is one statement, and one commit that does not wait for the disk; other commits do', async () => {
    const address = await freshDatabase(server())
    const texts: string[] = []
    const store = await postgresStore(address, { Pool: recordingPool(texts), poolSize: 1 })
    const limits = createSqlRateLimitStore({ store, secret, timeout: 10_000 })
    const both = scopePolicies('both', [
      { name: 'p', quota: 5, window: 60 },
      { name: 'q', quota: 5, window: 3600 },
    ])
    // The function notes what the commit will do.
    await ask(
      address,
      `create table noted (value text);
       create function note() returns trigger language plpgsql as
       $$ begin insert into noted values (tg_table_name || ' ' || current_setting('synchronous_commit')); return new; end $$;
       create trigger note after update on pc_rate_limits for each row execute function note()`,
    )
    texts.length = 0
    await limits.consume(['k', 'k'], both, 1)
    expect(texts).toHaveLength(1)
    const things = store.collection<number>({ name: 'a.things' })
    await store.prepare()
    await ask(address, 'create trigger note after insert on "pc_a$things" for each row execute function note()')
    // On the very connection that checked.
    await things.create('a', 1)
    expect((await ask(address, 'select value from noted')).map(({ value }) => value)).toEqual([
      'pc_rate_limits off',
      'pc_rate_limits off',
      'pc_a$things on',
    ])
  })

  it('an answer that is lost is not asked for again: store_sql.outcome_unknown, and the charge counts once', async () => {
    const address = await freshDatabase(server())
    const proxy = new FaultProxy({ target: { port: server().port } })
    await proxy.start()
    onTestFinished(() => proxy.close())
    const store = await postgresStore(address.replace(`:${server().port}/`, `:${proxy.port}/`))
    const limits = createSqlRateLimitStore({ store, secret, timeout: 10_000 })
    await limits.consume(['k'], policies, 1)
    let swallowed = proxy.swallowNextAnswer('test:p')
    await expect(limits.consume(['k'], policies, 1)).rejects.toMatchObject({ code: 'store_sql.outcome_unknown', status: 503 })
    await swallowed
    // To ask is no charge: it is asked again.
    swallowed = proxy.swallowNextAnswer('test:p')
    expect((await limits.consume(['k'], policies, 0)).results).toMatchObject([{ remaining: 3 }])
    await swallowed
  })

  it('a server that does not answer costs a check its own deadline, not that of the store', async () => {
    const address = await freshDatabase(server())
    const proxy = new FaultProxy({ target: { port: server().port } })
    await proxy.start()
    onTestFinished(() => proxy.close())
    const store = await postgresStore(address.replace(`:${server().port}/`, `:${proxy.port}/`), { timeout: 5000 })
    const limits = createSqlRateLimitStore({ store, secret, timeout: 100 })
    await expect
      .poll(async () => Promise.resolve(limits.consume(['k'], policies, 1)).catch(() => undefined), { timeout: 10_000 })
      .toBeDefined()
    proxy.hang()
    const began = performance.now()
    await expect(limits.consume(['k'], policies, 1)).rejects.toMatchObject({ code: 'store_sql.timeout', status: 503 })
    expect(performance.now() - began).toBeLessThan(2500)
    proxy.resume()
  })

  it('a server that is frozen (SIGSTOP): each of 200 checks and refunds is answered before it goes on, after 50 ms by default', async () => {
    const store = await postgresStore(await freshDatabase(server()), { timeout: 600_000 })
    const patient = createSqlRateLimitStore({ store, secret, timeout: 10_000 })
    const limits = createSqlRateLimitStore({ store, secret })
    await patient.consume(['k'], policies, 1)
    server().freeze()
    onTestFinished(() => server().thaw())
    const answers = await Promise.allSettled(
      Array.from({ length: 200 }, async (_, n) =>
        n % 4 === 0 ? limits.adjust(['k'], policies, -1) : limits.consume(['k'], policies, n % 2),
      ),
    )
    const reasons = answers.map((answer) => (answer.status === 'rejected' ? answer.reason : undefined))
    expect(reasons.filter((reason) => reason?.status !== 503)).toEqual([])
    expect(reasons.filter((reason) => reason?.code === 'store_sql.timeout').map(({ message }) => message)).toContain(
      'the database did not answer within 50 ms; it may still do what it was asked',
    )
    server().thaw()
    // And then it is asked again.
    await expect
      .poll(async () => Promise.resolve(limits.consume(['k'], policies, 0)).catch(() => undefined), { timeout: 20_000 })
      .toBeDefined()
  })

  it('goes by the clock of the server where no other is given: a process whose clock is wrong counts as all others', async () => {
    const store = await postgresStore(await freshDatabase(server()), { clock: manualClock(0) })
    const verdict = await createSqlRateLimitStore({ store, secret, timeout: 10_000 }).consume(['k'], policies, 1)
    expect(Math.abs(verdict.at - Date.now())).toBeLessThan(60_000)
    expect(Number.isSafeInteger(verdict.at)).toBe(true)
  })
})
