import { join } from 'node:path'
import { Redis } from 'ioredis'
import Database from 'libsql'
import pg from 'pg'
import type { Verbs } from './store-verbs.ts'

/* What somebody would write by hand with the driver alone: the same work on the server, no checks, no JSON, no deadline. */

/** The bare driver of SQLite, with the same durability. */
export function bareSqlite(directory: string): Verbs {
  const database = new Database(join(directory, 'bare.db'))
  database.exec('pragma journal_mode = wal; pragma synchronous = full')
  database.exec('create table t (id text primary key, value text not null, version integer not null, expires_at integer) strict')
  const insert = database.prepare('insert into t values (?, ?, 1, ?) on conflict do nothing')
  const select = database.prepare('select value, version from t where id = ? and expires_at > ?')
  const update = database.prepare('update t set value = ?, version = version + 1 where id = ? and version = ? and expires_at > ?')
  const remove = database.prepare('delete from t where id = ? and expires_at > ? returning value')
  return {
    create: async (id, value, expiresAt) => insert.run(id, value, expiresAt).changes === 1,
    get: async (id) => select.get(id, Date.now()) as object | undefined,
    version: async () => 1,
    replace: async (id, version, value) => update.run(value, id, version, Date.now()).changes === 1,
    take: async (id) => remove.get(id, Date.now()) as object | undefined,
    async close() {
      database.close()
    },
  }
}

/** The bare driver of PostgreSQL, statements prepared, a pool of the same size. */
export async function barePostgres(connectionString: string, max: number): Promise<Verbs> {
  const pool = new pg.Pool({ connectionString, max })
  await pool.query(
    'create table bare (id text collate "C" primary key, value text not null, version bigint not null, expires_at bigint)',
  )
  const run = (name: string, text: string, values: unknown[]) => pool.query({ name, text, values })
  return {
    async create(id, value, expiresAt) {
      const text = 'insert into bare values ($1, $2, 1, $3) on conflict do nothing'
      return (await run('create', text, [id, value, expiresAt])).rowCount === 1
    },
    async get(id) {
      return (await run('get', 'select value, version from bare where id = $1 and expires_at > $2', [id, Date.now()])).rows[0]
    },
    version: async () => 1,
    async replace(id, version, value) {
      const text = 'update bare set value = $1, version = version + 1 where id = $2 and version = $3 and expires_at > $4'
      return (await run('replace', text, [value, id, version, Date.now()])).rowCount === 1
    },
    async take(id) {
      return (await run('take', 'delete from bare where id = $1 and expires_at > $2 returning value', [id, Date.now()])).rows[0]
    },
    close: () => pool.end(),
  }
}

// A version before the value, and nothing else: the least that a compare-and-set needs.
const SWAP = `local now = redis.call('GET', KEYS[1])
if not now or string.sub(now, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`

/** The bare client of Redis. */
export async function bareRedis(path: string): Promise<Verbs> {
  const client = new Redis(path)
  const swap = String(await client.script('LOAD', SWAP))
  return {
    create: async (id, value, expiresAt) => (await client.set(id, `1:${value}`, 'PX', expiresAt - Date.now(), 'NX')) === 'OK',
    get: async (id) => (await client.get(id)) ?? undefined,
    version: async () => 1,
    replace: async (id, version, value) => (await client.evalsha(swap, 1, id, `${version}:`, `2:${value}`, 3_600_000)) === 1,
    take: async (id) => (await client.getdel(id)) ?? undefined,
    close: async () => client.disconnect(),
  }
}
