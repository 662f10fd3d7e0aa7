import { FaultProxy, freePort, hasRedis, RedisServer } from '@portcullis/conformance/servers'
import { storeFaultSuite } from '@portcullis/conformance/store-faults'
import { describe, expect, it } from 'vitest'
import { createRedisStore } from '../src/index.ts'
import { Clients } from './clients.ts'

it.runIf(process.env['CI'] !== undefined)('there is a redis-server in CI', () => {
  expect(hasRedis()).toBe(true)
})

const DEADLINE = 250
const KEEPING = ['--appendonly', 'yes', '--appendfsync', 'always']

describe.skipIf(!hasRedis()).each([
  ['Redis, which forgets all when it is killed', [], false],
  ['Redis with an append-only file', KEEPING, true],
] as const)('%s', (name, settings, durable) => {
  storeFaultSuite({
    name,
    deadline: DEADLINE,
    durable,
    can: { kill: true, freeze: true, slow: true, fill: true, readOnly: true },
    async open() {
      const server = new RedisServer({ tcp: true })
      await server.start(...settings)
      const proxy = new FaultProxy({ target: { port: server.port } })
      await proxy.start()
      const clients = new Clients()
      const open = () => createRedisStore({ client: clients.at(proxy.port), timeout: DEADLINE })
      // Nobody listens there: a replica that has lost its master.
      const dead = await freePort()
      return {
        store: open(),
        peers: [open()],
        faults: {
          kill: () => server.kill(),
          restart: () => server.start(),
          freeze: async () => server.freeze(),
          thaw: async () => server.thaw(),
          async slow() {
            proxy.delay = 100
            proxy.dropEvery = 10
            proxy.cut()
          },
          async fast() {
            proxy.delay = 0
            proxy.dropEvery = 0
          },
          async fill() {
            await server.command('CONFIG', 'SET', 'maxmemory', '100kb')
          },
          async drain() {
            await server.command('CONFIG', 'SET', 'maxmemory', '0')
          },
          async readOnly() {
            await server.command('REPLICAOF', '127.0.0.1', dead)
          },
          async writable() {
            await server.command('REPLICAOF', 'NO', 'ONE')
          },
        },
        async close() {
          clients.close()
          await proxy.close()
          await server.close()
        },
      }
    },
  })
})
