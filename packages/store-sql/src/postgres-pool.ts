/** The part of a client of `pg` that is used here. */
export interface PostgresClient {
  query(
    query: string | { readonly text: string; readonly name?: string; readonly values?: unknown[]; readonly rowMode?: 'array' },
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
  connect(): Promise<PostgresClient>
  /** @param patience milliseconds that a server which does not answer is given to say goodbye */
  close(patience: number): Promise<void>
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
  return {
    connect: () => pool.connect(),
    async close(patience) {
      let timer: NodeJS.Timeout | undefined
      const tired = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, patience)
      })
      await Promise.race([pool.end(), tired])
      clearTimeout(timer)
      // What is left waits for a server that does not answer: it does not keep this process from ending.
      for (const client of clients) client.unref?.()
    },
  }
}
