import { randomBytes } from 'node:crypto'
import { hasPostgres, PostgresServer } from '@portcullis/conformance/servers'
import pg from 'pg'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { openPostgres, type PostgresOptions, type SqlStore } from '../src/index.ts'

/** Without a server to start, what needs one is skipped, and its name says why; with CI set that is a failure. */
export const postgresIt: { readonly skipped: boolean; readonly title: string } = {
  skipped: !hasPostgres() && process.env['CI'] === undefined,
  title: hasPostgres() ? 'on PostgreSQL' : 'on PostgreSQL (not installed here)',
}

/** A server for the tests of one `describe`. It does not wait for the disk. */
export function startPostgres(settings: Readonly<Record<string, string>> = {}): () => PostgresServer {
  let server: PostgresServer | undefined
  beforeAll(async () => {
    server = await PostgresServer.start({ fsync: 'off', ...settings })
  }, 60_000)
  afterAll(() => server?.close())
  return () => {
    if (server === undefined) throw new TypeError('the server has not been started')
    return server
  }
}

/** A new, empty database on a server. @returns its address */
export async function freshDatabase(server: PostgresServer, options = ''): Promise<string> {
  const name = `t${randomBytes(6).toString('hex')}`
  await ask(server.connectionString, `create database ${name} ${options}`)
  return server.connectionString.replace(/postgres$/, name)
}

/** Runs one query on a connection of its own. */
export async function ask(connectionString: string, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text, values)).rows
  } finally {
    await client.end()
  }
}

/** A store that is closed when the test ends. */
export async function postgresStore(
  connectionString: string,
  options: Partial<Omit<PostgresOptions, 'connectionString'>> = {},
): Promise<SqlStore> {
  const store = await openPostgres({ connectionString, Pool: pg.Pool, ...options })
  onTestFinished(() => store.close())
  return store
}

/** A driver that notes the text of each statement. */
export function recordingPool(texts: string[]): typeof pg.Pool {
  return class extends pg.Pool {
    constructor(config?: pg.PoolConfig) {
      super(config)
      this.on('connect', (client) => {
        const query = client.query.bind(client) as (...parameters: unknown[]) => unknown
        const noting = (first: string | { readonly text: string }, ...others: unknown[]): unknown => {
          texts.push(typeof first === 'string' ? first : first.text)
          return query(first, ...others)
        }
        Object.assign(client, { query: noting })
      })
    }
  }
}
