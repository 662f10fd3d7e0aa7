import { revocationFeedSuite } from '@portcullis/conformance/revocation'
import { hasRedis } from '@portcullis/conformance/servers'
import { describe, expect, it } from 'vitest'
import { createRedisRevocationFeed } from '../src/index.ts'
import { ownServer } from './backends.ts'

it.runIf(process.env['CI'] !== undefined)('there is a redis-server in CI', () => {
  expect(hasRedis()).toBe(true)
})

describe.skipIf(!hasRedis())('on a redis-server of its own', () => {
  const own = ownServer()
  const { clients } = own

  let names = 0
  revocationFeedSuite({
    name: 'a Redis stream, three clients',
    canFail: true,
    async open() {
      names += 1
      const name = `n${names}`
      const open = () => createRedisRevocationFeed({ client: clients.of(own.server), name })
      const feeds = [open(), open(), open()] as const
      return {
        feeds,
        outage: { begin: async () => own.server.freeze(), end: async () => own.server.thaw() },
        async close() {
          own.server.thaw()
          for (const feed of feeds) await feed.close()
        },
      }
    },
  })
})
