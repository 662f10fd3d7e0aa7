import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, createBreaker, withDeadline } from '@portcullis/core'
import { Kysely, PostgresDialect } from 'kysely'
import type { Access, Answer } from './access.ts'
import { StoreError } from './errors.ts'
import { connectFailure, type Failure, statementFailure } from './postgres-errors.ts'
import type { OwnPool, PostgresClient, PostgresQuery } from './postgres-pool.ts'
import type { Database, FrameworkTables, SqlTraits } from './schema.ts'
import type { Bound, Statement } from './statement.ts'
import { UnderWay } from './under-way.ts'

/** Milliseconds that a change of the schema may take, waiting for others who change it included. */
const SCHEMA_TIMEOUT = 60_000

/** A way to the database with a deadline and a breaker of its own. */
export interface Channel {
  execute(statement: Statement, values: Readonly<Record<string, Bound>>): Promise<Answer>
  read<R>(work: (db: Database) => Promise<R>): Promise<R>
}

/** The way to a PostgreSQL database. */
export interface PostgresBackend extends Access {
  /**
   * @param name what it is for: events name what is lost with it, behind the store's name
   * @param timeout milliseconds for each call
   */
  channel(name: string, timeout: number): Channel
}

/** What {@link createPostgresBackend} is made of. */
export interface PostgresBackendParts {
  readonly pool: OwnPool
  readonly traits: SqlTraits
  readonly name: string
  /** Milliseconds. */
  readonly timeout: number
  readonly clock: Clock
}

/** One call, which may be given up on while it has a connection. */
interface Call {
  over: boolean
  client: PostgresClient | undefined
}

export function createPostgresBackend({ pool, traits, name, timeout, clock }: PostgresBackendParts): PostgresBackend {
  const underWay = new UnderWay()
  const outages = new WeakSet<Error>()
  const queries = new WeakMap<Statement, PostgresQuery>()

  /** Once for each connection. */
  function giveBack(call: Call, destroy: boolean): void {
    const { client } = call
    call.client = undefined
    if (client !== undefined) pool.release(client, destroy)
  }

  /** A connection whose answer nobody waits for is no good to the next: it goes. */
  function giveUp(call: Call): void {
    call.over = true
    giveBack(call, true)
  }

  async function attempt<R>(call: Call, use: (client: PostgresClient) => Promise<R>): Promise<R> {
    let client: PostgresClient
    try {
      client = await pool.connect()
    } catch (thrown) {
      throw connectFailure(thrown)
    }
    if (call.over) {
      pool.release(client, false)
      throw connectFailure(undefined)
    }
    call.client = client
    try {
      const result = await use(client)
      giveBack(call, false)
      return result
    } catch (thrown) {
      const failure = statementFailure(thrown)
      giveBack(call, failure.broken)
      throw failure
    }
  }

  /** @param wait milliseconds in which it is tried again, where that is safe */
  async function patiently<R>(
    call: Call,
    { repeatable, wait, isOpen }: { readonly repeatable: boolean; readonly wait: number; isOpen(): boolean },
    use: (client: PostgresClient) => Promise<R>,
  ): Promise<R> {
    const deadline = performance.now() + wait
    for (let tries = 0; ; tries++) {
      try {
        return await attempt(call, use)
      } catch (thrown) {
        const { error, again, outage } = thrown as Failure
        if (outage) outages.add(error)
        if (again === 'no') throw error
        if (again === 'if repeatable' && !repeatable) throw unknown(error, outages)
        // Uneven, so that those who collided do not collide again; longer each time, for a server that is about to come back.
        const rest = Math.random() * Math.min(200, 10 * 2 ** tries)
        if (call.over || isOpen() || performance.now() + rest >= deadline) throw error
        await pause(rest)
      }
    }
  }

  function channel(title: string, limit: number): Channel {
    const breaker = createBreaker({
      name: title,
      timeout: limit,
      clock,
      isOutage: (error) => outages.has(error as Error),
      unavailable: (why) => (why === 'late' ? late(limit) : new StoreError('store_sql.unavailable', REFUSED, { status: 503 })),
    })
    async function call<R>(repeatable: boolean, use: (client: PostgresClient) => Promise<R>): Promise<R> {
      underWay.begin()
      const one: Call = { over: false, client: undefined }
      try {
        return await breaker.run(() => patiently(one, { repeatable, wait: limit, isOpen: () => breaker.open }, use))
      } finally {
        giveUp(one)
        underWay.end()
      }
    }
    return {
      execute: (statement, given) => {
        const query = queryOf(statement)
        const values = statement.bind(given)
        return call(statement.repeatable, async (client) => {
          const { rows, rowCount } = await client.query(query, values)
          return { rows: rows as unknown[][], changes: rowCount ?? 0 }
        })
      },
      read: (work) => call(true, (client) => work(kyselyOn(client, traits))),
    }
  }

  /** What `pg` is told of a statement. It copies what an object has of its own, for each query and slowly: this one has nothing. */
  function queryOf(statement: Statement): PostgresQuery {
    const known = queries.get(statement)
    if (known !== undefined) return known
    const { name, text } = statement
    const query = Object.create({ name, text, rowMode: 'array' } satisfies PostgresQuery) as PostgresQuery
    queries.set(statement, query)
    return query
  }

  const own = channel(name, timeout)

  return {
    ...own,
    channel: (title, limit) => channel(`${name}.${title}`, limit),
    async exclusively(work) {
      return underWay.during(async () => {
        const call: Call = { over: false, client: undefined }
        const patience = { repeatable: true, wait: timeout, isOpen: () => false }
        const working = (): ReturnType<typeof work> =>
          patiently(call, patience, (client) => locked(client, { traits, timeout }, work))
        try {
          return await withDeadline(SCHEMA_TIMEOUT, working, () => late(SCHEMA_TIMEOUT))
        } finally {
          giveUp(call)
        }
      })
    },
    within: (work) => withDeadline(timeout, work, () => late(timeout)),
    close: () => underWay.close(() => pool.close()),
  }
}

const REFUSED = 'the database did not answer, and is not asked until it does again'

function late(timeout: number): StoreError {
  return new StoreError(
    'store_sql.timeout',
    `the database did not answer within ${timeout} ms; it may still do what it was asked`,
    {
      status: 503,
    },
  )
}

function unknown({ cause }: StoreError, outages: WeakSet<Error>): StoreError {
  const message = 'the connection was lost before the database said whether it was done, and doing it again would not be the same'
  const error = new StoreError('store_sql.outcome_unknown', message, { cause, status: 503 })
  outages.add(error)
  return error
}

/** One transaction that changes the schema, while no other one does. */
async function locked<R>(
  client: PostgresClient,
  { traits, timeout }: { readonly traits: SqlTraits; readonly timeout: number },
  work: (db: Database) => Promise<R>,
): Promise<R> {
  const db = kyselyOn(client, traits)
  const [begin = 'begin', ...locks] = traits.lock
  await client.query(begin)
  try {
    // The time-outs of verbs are too short for those who wait for one another, and for an index on a large table.
    await client.query(`set local statement_timeout = ${SCHEMA_TIMEOUT}; set local lock_timeout = ${SCHEMA_TIMEOUT}`)
    for (const lock of locks) await client.query(lock)
    // But for a table itself they do: everybody who wants it waits behind whoever waits to change it.
    await client.query(`set local lock_timeout = ${timeout}`)
    const result = await work(db)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

/** Kysely on one connection, which stays whoever's it is. */
function kyselyOn(client: PostgresClient, { schema }: SqlTraits): Database {
  const lent = {
    query: (text: string, values: readonly unknown[]) => client.query(text, [...values]),
    release: () => undefined,
  }
  const pool = { connect: async () => lent, end: async () => undefined }
  const db = new Kysely<FrameworkTables>({ dialect: new PostgresDialect({ pool: pool as never }) })
  return schema === undefined ? db : db.withSchema(JSON.parse(schema) as string)
}

/** Kysely to build statements with, connected to nothing. */
export function postgresBuilder(schema: string): Database {
  const pool = async (): Promise<never> => {
    throw new TypeError('statements are compiled here, and run elsewhere')
  }
  return new Kysely<FrameworkTables>({ dialect: new PostgresDialect({ pool }) }).withSchema(schema)
}
