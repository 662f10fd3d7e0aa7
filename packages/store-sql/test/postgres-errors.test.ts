import { inspect } from 'node:util'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { openPostgres, type PostgresOptions, StoreError } from '../src/index.ts'
import { ask, freshDatabase, postgresIt, postgresStore, recordingPool, startPostgres } from './postgres.ts'

const SECRETS = ['secret-id', 'secret-key', 'secret-value', 'secret-password']

async function failure(work: () => Promise<unknown>): Promise<StoreError> {
  const error = await work().catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(StoreError)
  return error as StoreError
}

/** Everything that a log could show of an error: hidden and inherited members included. */
function expectHushed(error: StoreError): void {
  const { cause } = error
  const said = [error, cause].map((one) => inspect(one, { depth: 20, showHidden: true, getters: true }))
  const all = [...said, String(cause), JSON.stringify(error), JSON.stringify(cause)].join()
  for (const secret of SECRETS) expect(all).not.toContain(secret)
}

describe('options', () => {
  const good = { connectionString: 'postgres://localhost/x', Pool: pg.Pool }
  const wrong: readonly [title: string, options: Record<string, unknown>][] = [
    ['no driver', { Pool: undefined }],
    ['no address', { connectionString: undefined }],
    ['two addresses', { connection: { host: 'localhost' } }],
    ['an address of something else', { connectionString: 'mysql://localhost/x' }],
    ['a schema that must be quoted', { schema: 'Public' }],
    ['a schema that breaks out', { schema: 'x"; drop schema public; --' }],
    ['no schema', { schema: '' }],
    ['a pool of none', { poolSize: 0 }],
    ['half a connection', { poolSize: 1.5 }],
    ['no time', { timeout: 0 }],
    ['for ever', { timeout: Number.POSITIVE_INFINITY }],
    ['a name with a line break', { name: 'a\nb' }],
  ]
  it.each(wrong)('%s: store_sql.options_invalid', async (_, options) => {
    const given = { ...good, ...options } as unknown as PostgresOptions
    await expect(openPostgres(given)).rejects.toMatchObject({ code: 'store_sql.options_invalid' })
  })

  it('an address that cannot be read shows its password to nobody', async () => {
    const connectionString = 'postgres://user:secret-password@[/x'
    const error = await failure(() => openPostgres({ connectionString, Pool: pg.Pool }))
    expect(error.code).toBe('store_sql.options_invalid')
    expectHushed(error)
  })

  it('a server that is not there is store_sql.unavailable by the deadline', async () => {
    const connectionString = 'postgres://user:secret-password@127.0.0.1:1/x'
    const error = await failure(() => openPostgres({ connectionString, Pool: pg.Pool, timeout: 200 }))
    expect(error).toMatchObject({ code: 'store_sql.unavailable', status: 503 })
    expectHushed(error)
  })
})

describe.skipIf(postgresIt.skipped)(postgresIt.title, () => {
  const server = startPostgres()

  async function setUp() {
    const address = await freshDatabase(server())
    const store = await postgresStore(address)
    const things = store.collection<string>({ name: 'a.things', indexes: ['user'] })
    await store.prepare()
    return { address, store, things }
  }

  it.each([
    ['P0001', 'store_sql.failed', 500],
    ['23505', 'store_sql.failed', 500],
    ['22P02', 'store_sql.failed', 500],
    ['42501', 'store_sql.access_denied', 500],
    ['25006', 'store_sql.read_only', 503],
    ['53100', 'store_sql.disk_full', 503],
    ['53200', 'store_sql.busy', 503],
    ['54000', 'store_sql.failed', 500],
    ['55P03', 'store_sql.busy', 503],
    ['57014', 'store_sql.timeout', 503],
    ['58030', 'store_sql.unavailable', 503],
    ['XX001', 'store_sql.corrupt', 500],
  ])('%s is %s', async (state, code, status) => {
    const { address, things } = await setUp()
    await ask(
      address,
      `create function refuse() returns trigger language plpgsql as
       $$ begin raise exception 'no' using errcode = '${state}'; end $$;
       create trigger refuse before insert on "pc_a$things" for each row execute function refuse()`,
    )
    const error = await failure(() => things.create('a', 'x'))
    expect(error).toMatchObject({ name: 'StoreError', code, status })
    expect(error.cause).toMatchObject({ code: state })
    // The connection is of use, or another one is.
    expect(await things.get('a')).toBeUndefined()
  })

  it('what PostgreSQL quotes of a row, of parameters and of messages is in no error: not in its cause either', async () => {
    const { address, things } = await setUp()
    // A detail that shows the whole row.
    await ask(address, `alter table "pc_a$things" add constraint short check (length(value) < 8)`)
    const write = { index: { user: 'secret-key' } }
    const checked = await failure(() => things.create('secret-id', 'secret-value', write))
    expect(checked.cause).toMatchObject({ code: '23514' })
    expectHushed(checked)
    // A message, a detail, a hint, and a `where` with the line that failed.
    await ask(
      address,
      `create function tell() returns trigger language plpgsql as
       $$ begin raise exception '%', new.value using detail = new.id, hint = new.index_user; end $$;
       create trigger tell before insert on "pc_a$things" for each row execute function tell()`,
    )
    expectHushed(await failure(() => things.create('secret-id', 'secret-value', write)))
    await ask(
      address,
      `drop trigger tell on "pc_a$things";
       create or replace function tell() returns trigger language plpgsql as $$ begin perform new.value::int; return new; end $$;
       create trigger tell before insert on "pc_a$things" for each row execute function tell()`,
    )
    const cast = await failure(() => things.create('secret-id', 'secret-value', write))
    expect(cast.cause).toMatchObject({ code: '22P02' })
    expectHushed(cast)
    await ask(address, 'drop table "pc_a$things"')
    for (const verb of [() => things.get('secret-id'), () => things.take('secret-id'), () => things.remove('secret-id')]) {
      const error = await failure(verb)
      expect(error.code).toBe('store_sql.failed')
      // What an administrator needs is there: which table.
      expect((error.cause as Error).message).toContain('pc_a$things')
      expectHushed(error)
    }
  })

  it('a user, and a database, that are not there are store_sql.access_denied', async () => {
    const { address } = await setUp()
    for (const wrong of [address.replace('//postgres@', '//nobody:secret-password@'), `${address}x`]) {
      const error = await failure(() => openPostgres({ connectionString: wrong, Pool: pg.Pool }))
      expect(error.code).toBe('store_sql.access_denied')
      expectHushed(error)
    }
  })

  it('hostile ids, keys and values are bound: no statement has them, and no table goes', async () => {
    const texts: string[] = []
    const address = await freshDatabase(server())
    const store = await postgresStore(address, { Pool: recordingPool(texts) })
    const things = store.collection<string>({ name: 'a.things', indexes: ['user'] })
    await things.create('bystander', 'untouched', { index: { user: 'bystander' } })
    const attacks = [
      'x\'); drop table "pc_a$things"; --',
      "' or '1'='1",
      '" or ""="',
      '$1; $2',
      "\\'; select pg_sleep(9); --",
      '{a,b}',
    ]
    for (const attack of attacks) {
      expect(await things.create(attack, attack, { index: { user: attack } })).toBe(true)
      const { version } = (await things.get(attack))!
      expect(await things.replace(attack, version, attack, { index: { user: attack } })).toBe(true)
      for await (const { id } of things.find('user', attack)) expect(id).toBe(attack)
      expect(await things.take(attack)).toBe(attack)
      expect(await things.remove(attack)).toBe(false)
    }
    expect((await things.get('bystander'))?.value).toBe('untouched')
    expect(texts.length).toBeGreaterThan(30)
    for (const attack of attacks) expect(texts.filter((text) => text.includes(attack))).toEqual([])
  })
})
