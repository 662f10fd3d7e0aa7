import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { FaultProxy } from '@portcullis/conformance/servers'
import type { Collection } from '@portcullis/core'
import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresOptions } from '../src/index.ts'
import { ask, freshDatabase, postgresIt, postgresStore, startPostgres } from './postgres.ts'
import { bundleChild, output, start } from './processes.ts'

describe.skipIf(postgresIt.skipped)(postgresIt.title, () => {
  const server = startPostgres()

  /** A store behind a proxy, on a new database; its one collection is prepared, and holds `there`. */
  async function setUp(options: Partial<Omit<PostgresOptions, 'connectionString'>> = { timeout: 20_000 }) {
    const direct = await freshDatabase(server())
    const proxy = new FaultProxy({ target: { port: server().port } })
    await proxy.start()
    onTestFinished(() => proxy.close())
    const address = direct.replace(`:${server().port}/`, `:${proxy.port}/`)
    const store = await postgresStore(address, options)
    const things = store.collection<string>({ name: 'a.things', indexes: ['user'] })
    await things.create('there', 'old', { index: { user: 'u' } })
    const { version } = (await things.get('there'))!
    return { direct, proxy, store, things, version }
  }

  async function ids(things: Collection<string>): Promise<string[]> {
    const found: string[] = []
    for await (const { id } of things.find('user', 'u')) found.push(id)
    return found
  }

  describe('an answer that is lost after the server did the work', () => {
    it('of create: it is sent again, and answers true, for it is there as it was written', async () => {
      const { proxy, things } = await setUp()
      const swallowed = proxy.swallowNextAnswer('new-id')
      expect(await things.create('new-id', 'new')).toBe(true)
      await swallowed
      expect((await things.get('new-id'))?.value).toBe('new')
    })

    it('of create of what somebody else wrote: it answers false, and changes nothing', async () => {
      const { proxy, things } = await setUp()
      const swallowed = proxy.swallowNextAnswer('there')
      expect(await things.create('there', 'new')).toBe(false)
      await swallowed
      expect((await things.get('there'))?.value).toBe('old')
    })

    it('of replace: it is sent again, and answers true, also when what was written has expired meanwhile', async () => {
      const { proxy, things, version } = await setUp()
      let swallowed = proxy.swallowNextAnswer('there')
      expect(await things.replace('there', version, 'new')).toBe(true)
      await swallowed
      const after = (await things.get('there'))!
      expect(after.value).toBe('new')
      swallowed = proxy.swallowNextAnswer('there')
      expect(await things.replace('there', version, 'late')).toBe(false)
      await swallowed
      swallowed = proxy.swallowNextAnswer('there')
      expect(await things.replace('there', after.version, 'gone', { expiresAt: 1 })).toBe(true)
      await swallowed
    })

    it('of get and of find: they ask again', async () => {
      const { proxy, things } = await setUp()
      let swallowed = proxy.swallowNextAnswer('there')
      expect((await things.get('there'))?.value).toBe('old')
      await swallowed
      swallowed = proxy.swallowNextAnswer('u')
      expect(await ids(things)).toEqual(['there'])
      await swallowed
    })

    it('of take and of remove: store_sql.outcome_unknown, once; asked again they would say that nothing was there', async () => {
      const { proxy, things } = await setUp()
      await things.create('other', 'x')
      for (const [id, verb] of [
        ['there', () => things.take('there')],
        ['other', () => things.remove('other')],
      ] as const) {
        const swallowed = proxy.swallowNextAnswer(id)
        await expect(verb()).rejects.toMatchObject({ code: 'store_sql.outcome_unknown', status: 503 })
        await swallowed
        expect(await things.get(id)).toBeUndefined()
      }
    })
  })

  describe('a server process that is ended in the middle of a statement', () => {
    const VERBS = ['get', 'find', 'create', 'replace', 'take', 'remove'] as const

    it.each(VERBS)('%s is repeated, or says that its outcome is unknown', async (verb) => {
      const { direct, things, version } = await setUp()
      const other = new pg.Client({ connectionString: direct })
      await other.connect()
      onTestFinished(() => other.end())
      await other.query('begin; lock table "pc_a$things" in access exclusive mode')
      const verbs: Record<(typeof VERBS)[number], () => Promise<unknown>> = {
        get: async () => (await things.get('there'))?.value,
        find: () => ids(things),
        create: () => things.create('new', 'x'),
        replace: () => things.replace('there', version, 'new'),
        take: () => things.take('there'),
        remove: () => things.remove('there'),
      }
      const outcome = verbs[verb]().catch((error: unknown) => error)
      const waiting = "from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'portcullis%'"
      while ((await other.query(`select pg_terminate_backend(pid) ${waiting}`)).rowCount === 0) await pause(5)
      await other.query('rollback')
      const expected = { get: 'old', find: ['there'], create: true, replace: true }
      if (verb === 'take' || verb === 'remove') expect(await outcome).toMatchObject({ code: 'store_sql.outcome_unknown' })
      else expect(await outcome).toEqual(expected[verb])
      expect((await things.get('there'))?.value).toBe(verb === 'replace' ? 'new' : 'old')
    })

    it('and idle ones, all at once: the process goes on, and the next verb connects anew', async () => {
      const { direct, things } = await setUp()
      await Promise.all(Array.from({ length: 20 }, () => things.get('there')))
      const ended = "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'portcullis%'"
      expect((await ask(direct, `${ended} and datname = current_database()`)).length).toBeGreaterThan(1)
      for (let n = 0; n < 20; n++) expect((await things.get('there'))?.value).toBe('old')
    })
  })

  describe('what was not done is tried again, whatever the verb', () => {
    it.each(['40001', '40P01'])('after %s', async (state) => {
      const { direct, things, version } = await setUp()
      // nextval is not rolled back: it counts.
      await ask(
        direct,
        `create sequence tries;
         create function refuse() returns trigger language plpgsql as $$
         begin
           if nextval('tries') % 3 <> 0 then raise exception 'not now' using errcode = '${state}'; end if;
           return case tg_op when 'DELETE' then old else new end;
         end $$;
         create trigger refuse before insert or update or delete on "pc_a$things" for each row execute function refuse()`,
      )
      expect(await things.create('new', 'x')).toBe(true)
      expect(await things.replace('there', version, 'new')).toBe(true)
      expect(await things.take('new')).toBe('x')
      expect(await things.remove('there')).toBe(true)
      expect(await ask(direct, 'select last_value from tries')).toEqual([{ last_value: '12' }])
    })

    it('but not for ever: by its deadline it rejects, as busy or, where the last try was under way, as late', async () => {
      const { direct, things } = await setUp({ timeout: 1000 })
      await ask(
        direct,
        `create function refuse() returns trigger language plpgsql as
         $$ begin raise exception 'not now' using errcode = '40001'; end $$;
         create trigger refuse before insert on "pc_a$things" for each row execute function refuse()`,
      )
      const code = expect.stringMatching(/^store_sql\.(busy|timeout)$/)
      await expect(things.create('new', 'x')).rejects.toMatchObject({ code, status: 503 })
    })

    it('after a connection that was refused', async () => {
      const { proxy, things } = await setUp({ timeout: 20_000 })
      await proxy.refuse()
      // A read first: it may find a connection that is dead already, and asks again by another.
      const read = things.get('there')
      await pause(50)
      const taken = things.take('there')
      await pause(50)
      await proxy.accept()
      expect((await read)?.id ?? 'taken before').toMatch(/^there$|^taken before$/)
      expect(await taken).toBe('old')
    })

    it('after too many connections', async () => {
      const { direct } = await setUp()
      const role = `app_${new URL(direct).pathname.slice(1)}`
      await ask(
        direct,
        `create role ${role} login; grant select, insert, update, delete on all tables in schema public to ${role}`,
      )
      const store = await postgresStore(direct.replace('//postgres@', `//${role}@`), { timeout: 20_000, poolSize: 1 })
      const things = store.collection<string>({ name: 'a.things', indexes: ['user'] })
      await things.get('there')
      await ask(
        direct,
        `alter role ${role} connection limit 0; select pg_terminate_backend(pid) from pg_stat_activity where usename = '${role}'`,
      )
      const taken = things.take('there')
      await pause(50)
      await ask(direct, `alter role ${role} connection limit 1`)
      expect(await taken).toBe('old')
    })
  })

  describe('a call that is given up on', () => {
    it('takes its connection with it: the next call gets another, and its own answer', async () => {
      const { direct, proxy, things } = await setUp({ timeout: 1000, poolSize: 1 })
      const pids = async (): Promise<unknown[]> => {
        const text = `select pid from pg_stat_activity where application_name like 'portcullis%' and datname = current_database()`
        return (await ask(direct, text)).map(({ pid }) => pid)
      }
      const before = await pids()
      expect(before).toHaveLength(1)
      proxy.hang()
      await expect(things.get('nothing')).rejects.toMatchObject({ code: 'store_sql.timeout', status: 503 })
      proxy.resume()
      await expect.poll(async () => (await things.get('there').catch(() => undefined))?.value, { timeout: 10_000 }).toBe('old')
      await expect.poll(pids, { timeout: 10_000 }).not.toEqual(before)
      expect(await pids()).toHaveLength(1)
    })

    it('is ended by the server as well: a write that nobody waits for does not wait for a lock for ever', async () => {
      const { direct, things } = await setUp({ timeout: 1000 })
      const other = new pg.Client({ connectionString: direct })
      await other.connect()
      onTestFinished(() => other.end())
      await other.query('begin; lock table "pc_a$things" in access exclusive mode')
      await expect(things.create('new', 'x')).rejects.toMatchObject({ status: 503 })
      const waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'portcullis%'"
      await expect.poll(async () => (await other.query(waiting)).rowCount, { timeout: 10_000 }).toBe(0)
      await other.query('rollback')
      expect(await things.get('new')).toBeUndefined()
    })
  })

  it('a database that is slow while a collection gets its table is a time-out by the deadline, too', async () => {
    const { proxy, store } = await setUp({ timeout: 1000 })
    // Each of a dozen steps is in time by itself; they have one deadline together.
    proxy.delay = 150
    await expect(store.collection({ name: 'a.others' }).get('x')).rejects.toMatchObject({ code: 'store_sql.timeout' })
    proxy.delay = 0
  })

  it('a process that closes its store while the server does not answer, ends', async () => {
    const child = start(await bundleChild(), 'close', await freshDatabase(server()))
    const said = output(child)
    await once(child.stdout, 'data')
    server().freeze()
    try {
      await said
    } finally {
      server().thaw()
    }
  })

  it('a store that is closed while the server does not answer, closes', async () => {
    const { proxy, store, things } = await setUp({ timeout: 1000 })
    await things.get('there')
    proxy.hang()
    await store.close()
    await expect(things.get('there')).rejects.toMatchObject({ code: 'store_sql.closed' })
  })
})
