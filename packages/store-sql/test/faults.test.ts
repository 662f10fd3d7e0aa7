import { setTimeout as pause } from 'node:timers/promises'
import { FaultProxy, type PostgresServer } from '@portcullis/conformance/servers'
import { type StoreFaults, storeFaultSuite } from '@portcullis/conformance/store-faults'
import pg from 'pg'
import { describe } from 'vitest'
import { openPostgres } from '../src/index.ts'
import { ask, postgresIt, startPostgres } from './postgres.ts'

const CONNECTIONS = 24

describe.skipIf(postgresIt.skipped)(postgresIt.title, () => {
  const server = startPostgres({ max_connections: String(CONNECTIONS), superuser_reserved_connections: '0' })

  storeFaultSuite({
    name: 'PostgreSQL, two stores',
    deadline: 2000,
    durable: true,
    can: { kill: true, freeze: true, slow: true, crowd: true, readOnly: true },
    async open() {
      const proxy = new FaultProxy({ target: { port: server().port } })
      await proxy.start()
      const connectionString = `postgres://postgres@127.0.0.1:${proxy.port}/postgres`
      const open = () => openPostgres({ connectionString, Pool: pg.Pool, poolSize: 5 })
      const stores = [await open(), await open()] as const
      const faults = faultsOf(server(), proxy)
      return {
        store: stores[0],
        peers: [stores[1]],
        faults,
        async close() {
          await faults.end()
          for (const store of stores) await store.close()
          await proxy.close()
        },
      }
    },
  })
})

/** Each ends what it began, and may be ended twice. */
function faultsOf(server: PostgresServer, proxy: FaultProxy): StoreFaults & { end(): Promise<void> } {
  const crowd = new Set<pg.Client>()
  let dead = false
  let readOnly = false

  async function configureReadOnly(value: 'on' | 'off'): Promise<void> {
    readOnly = value === 'on'
    server.configure({ default_transaction_read_only: value })
    // A session that begins after the change has been told to all others.
    for (;;) {
      const [row] = await ask(server.connectionString, 'show default_transaction_read_only')
      if (row?.['default_transaction_read_only'] === value) return
      await pause(10)
    }
  }

  const faults = {
    async kill() {
      await server.kill()
      dead = true
    },
    async restart() {
      await server.resume()
      dead = false
    },
    async freeze() {
      server.freeze()
    },
    async thaw() {
      server.thaw()
    },
    async slow() {
      proxy.delay = 100
      proxy.dropEvery = 10
      proxy.cut()
    },
    async fast() {
      proxy.delay = 0
      proxy.dropEvery = 0
    },
    async crowd() {
      const first = await visitor(server)
      if (first === undefined) throw new TypeError('nobody gets in')
      crowd.add(first)
      // Whenever one of the store's connections goes, whoever comes first has its place.
      while (crowd.size < CONNECTIONS) {
        await first.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'portcullis%'")
        for (const client of await Promise.all(Array.from({ length: CONNECTIONS }, () => visitor(server)))) {
          if (client !== undefined) crowd.add(client)
        }
      }
    },
    async disperse() {
      for (const client of crowd) await client.end()
      crowd.clear()
    },
    readOnly: () => configureReadOnly('on'),
    writable: () => configureReadOnly('off'),
  }
  return {
    ...faults,
    async end() {
      if (dead) await faults.restart()
      await faults.thaw()
      await faults.fast()
      await faults.disperse()
      if (readOnly) await faults.writable()
    },
  }
}

async function visitor(server: PostgresServer): Promise<pg.Client | undefined> {
  const client = new pg.Client({ connectionString: server.connectionString })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return client
  } catch {
    return undefined
  }
}
