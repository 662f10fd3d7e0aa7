import { revocationFeedSuite } from '@portcullis/conformance/revocation'
import { hasRedis, RedisServer } from '@portcullis/conformance/servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRedisRevocationFeed } from '../src/index.ts'
import { Clients } from './clients.ts'

it.runIf(process.env['CI'] !== undefined)('there is a redis-server in CI', () => {
  expect(hasRedis()).toBe(true)
})

describe.skipIf(!hasRedis())('on a redis-server of its own', () => {
  const clients = new Clients()
  let server: RedisServer
  beforeAll(async () => {
    server = new RedisServer()
    await server.start()
  })
  afterAll(async () => {
    clients.close()
    await server.close()
  })

  let names = 0
  revocationFeedSuite({
    name: 'a Redis stream, three clients',
    canFail: true,
    async open() {
      names += 1
      const name = `n${names}`
      const open = () => createRedisRevocationFeed({ client: clients.of(server), name })
      const feeds = [open(), open(), open()] as const
      return {
        feeds,
        outage: { begin: async () => server.freeze(), end: async () => server.thaw() },
        async close() {
          server.thaw()
          for (const feed of feeds) await feed.close()
        },
      }
    },
  })
})
