/** A statement, as `pg` is told of it. */
export interface PostgresQuery {
  readonly text: string
  /** Under which the connection keeps it prepared. */
  readonly name?: string
  readonly rowMode?: 'array'
}

/** The part of a client of `pg` that is used here. */
export interface PostgresClient {
  query(
    query: string | PostgresQuery,
    values?: unknown[],
  ): Promise<{ readonly command: string; readonly rowCount: number | null; readonly rows: unknown[] }>
  /** @param destroy whether it goes, and does not return to the pool */
  release(destroy?: boolean): void
  on(event: 'error', listener: (error: Error) => void): unknown
  unref?(): void
}

/** The part of a pool of `pg` that is used here. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'connect' | 'remove', listener: (client: PostgresClient) => void): unknown
}

/** Where and as whom to connect: what `pg` takes, for example `host`, `user`, `password` (or a function that gets it), `ssl`. */
export interface PostgresConnection {
  readonly host?: string
  readonly port?: number
  readonly user?: string
  readonly password?: string | (() => string | Promise<string>)
  readonly database?: string
  readonly ssl?: boolean | object
}

/** What a pool is made with. */
export interface PostgresPoolConfig extends PostgresConnection {
  readonly connectionString?: string
  readonly max: number
  readonly connectionTimeoutMillis: number
  readonly statement_timeout: number
  readonly lock_timeout: number
  readonly idle_in_transaction_session_timeout: number
  readonly keepAlive: boolean
  readonly application_name: string
}

/** `import { Pool } from 'pg'`. */
export type PostgresConstructor = new (config: PostgresPoolConfig) => PostgresPool

/** A pool that is ours: of connections that may die at any time, and that close when it does. */
export interface OwnPool {
  /** The first who asks is the first to get one. */
  connect(): Promise<PostgresClient>
  /** @param destroy whether the connection is of no more use */
  release(client: PostgresClient, destroy: boolean): void
  close(): Promise<void>
}

/** @throws what the driver's constructor does */
export function openPool(Pool: PostgresConstructor, config: PostgresPoolConfig): OwnPool {
  const pool = new Pool(config)
  const clients = new Set<PostgresClient>()
  // An idle connection that ends says so by this event, which without a listener ends the process. The pool has dropped it.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => {
    clients.add(client)
    // While a client is lent out the pool does not listen. Whoever has it learns of the error by its statement.
    client.on('error', () => undefined)
  })
  pool.on('remove', (client) => clients.delete(client))

  // The pool's own queue sets a timer for each who waits. Here all have a deadline already.
  const waiting: (() => void)[] = []
  let free = config.max

  function next(): void {
    const first = waiting.shift()
    if (first === undefined) free += 1
    else first()
  }

  async function connect(): Promise<PostgresClient> {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await pool.connect()
    } catch (error) {
      next()
      throw error
    }
  }

  return {
    connect,
    release(client, destroy) {
      client.release(destroy)
      next()
    },
    async close() {
      await pool.end()
      // What is left waits for a server that does not say goodbye: it does not keep this process from ending.
      for (const client of clients) client.unref?.()
    },
  }
}
