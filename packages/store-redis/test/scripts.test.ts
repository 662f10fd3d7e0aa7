import { hasRedis, RedisServer } from '@portcullis/conformance/servers'
import type { Collection } from '@portcullis/core'
import { scopePolicies } from '@portcullis/rate-limit'
import type { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createRedisStore, type RedisClient } from '../src/index.ts'
import { createRedisRateLimitStore } from '../src/rate-limit.ts'
import { Clients } from './clients.ts'

const policies = scopePolicies('a', [{ name: 'p', quota: 10, window: 600 }])
const secret = 'a secret of at least 16 bytes'
/** A busy machine is no outage. */
const timeout = 10_000

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'no error',
    (error) => error.code,
  )
}

describe.skipIf(!hasRedis())('scripts', () => {
  let clients: Clients
  let server: RedisServer
  let client: Redis
  let collection: Collection<string>
  beforeEach(async () => {
    clients = new Clients()
    server = new RedisServer()
    await server.start('--appendonly', 'yes', '--appendfsync', 'always')
    client = clients.of(server)
    collection = createRedisStore({ client, timeout }).collection<string>({ name: 'a.b', indexes: ['user', 'tenant'] })
  })
  afterEach(async () => {
    clients.close()
    await server.close()
  })

  async function everyVerb(): Promise<void> {
    const index = { user: 'u', tenant: 't' }
    expect(await collection.create('a', '1', { index })).toBe(true)
    expect(await collection.replace('a', (await collection.get('a'))!.version, '2', { index })).toBe(true)
    const found: string[] = []
    for await (const { value } of collection.find('user', 'u')) found.push(value)
    expect(found).toEqual(['2'])
    expect(await collection.take('a')).toBe('2')
    expect(await collection.remove('a')).toBe(false)
    const limits = createRedisRateLimitStore({ client, secret, timeout })
    const verdict = await limits.consume(['k'], policies, 1)
    expect(verdict.allowed).toBe(true)
    await limits.adjust(['k'], policies, -1, verdict)
  }

  it('are sent again to a server that has forgotten them: flushed, or restarted', async () => {
    await everyVerb()
    await client.script('FLUSH')
    await everyVerb()
    await server.restart()
    for (let attempt = 0; attempt < 100 && (await codeOf(collection.get('a'))) !== 'no error'; attempt++);
    await everyVerb()
  })

  it('are one command a verb, once the server knows them', async () => {
    await everyVerb()
    const seen: string[] = []
    const watching: RedisClient = {
      call(command, ...args) {
        seen.push(command)
        return client.call(command, ...args)
      },
    }
    const watched = createRedisStore({ client: watching, timeout }).collection<string>({
      name: 'a.b',
      indexes: ['user', 'tenant'],
    })
    const plain = createRedisStore({ client: watching, timeout }).collection<string>({ name: 'a.plain' })
    await watched.get('a')
    expect(seen.splice(0)).toEqual(['EVALSHA', 'GET'])
    await plain.get('a')
    expect(seen.splice(0)).toEqual(['EVALSHA', 'GET'])
    const verbs: (() => Promise<unknown>)[] = [
      () => watched.create('b', '1', { index: { user: 'u', tenant: 't' } }),
      () => watched.create('b', '1'),
      () => watched.replace('b', 1, '2'),
      () => watched.get('b'),
      () => watched.take('b'),
      () => watched.remove('b'),
      () => plain.create('b', '1'),
      () => plain.replace('b', 1, '2'),
      () => plain.get('b'),
      () => plain.take('b'),
      () => plain.remove('b'),
      async () => createRedisRateLimitStore({ client: watching, secret, timeout }).consume(['k'], policies, 1),
    ]
    for (const verb of verbs) {
      await verb()
      expect(seen.splice(0)).toHaveLength(1)
    }
  })

  it.each(['i', 'x'])('that meet a set %s of a wrong type do nothing at all', async (kind) => {
    const index = { user: 'u', tenant: 't' }
    await collection.create('a', 'first', { index })
    const { version } = (await collection.get('a'))!
    await client.set(`{portcullis:a.b:0}${kind}`, 'of somebody else')
    const dump = async () => Promise.all((await client.keys('*')).sort().map(async (key) => [key, await client.dump(key)]))
    const before = await dump()
    const uses = [
      collection.create('b', '1', { index }),
      collection.replace('a', version, '1', { index: { user: 'v' } }),
      collection.take('a'),
      collection.remove('a'),
    ]
    for (const use of uses) expect(await codeOf(use)).toBe('store_redis.failed')
    expect(await dump()).toEqual(before)
  })

  it('that find no memory left do nothing at all, and what is there can be read and taken', async () => {
    const index = { user: 'u', tenant: 't' }
    const limits = createRedisRateLimitStore({ client, secret, timeout })
    await collection.create('a', 'first', { index })
    const { version } = (await collection.get('a'))!
    await limits.consume(['k'], policies, 1)
    await client.config('SET', 'maxmemory', '1')
    const keys = async () => (await client.keys('*')).sort()
    const before = await keys()
    expect(await codeOf(collection.create('b', '1', { index }))).toBe('store_redis.full')
    expect(await codeOf(collection.replace('a', version, '1', { index: { user: 'v' } }))).toBe('store_redis.full')
    const both = scopePolicies('a', [
      { name: 'q', quota: 10, window: 600 },
      { name: 'r', quota: 10, window: 600 },
    ])
    expect(await codeOf(Promise.resolve(limits.consume(['k', 'k'], both, 1)))).toBe('store_redis.full')
    expect(await keys()).toEqual(before)
    expect(await collection.get('a')).toMatchObject({ value: 'first', version })
    expect(await collection.take('a')).toBe('first')
    expect(await collection.get('a')).toBeUndefined()
  })

  it('that meet something that this package did not write say so, and leave it', async () => {
    await client.set('{portcullis:a.b:0}e:a', 'foreign')
    expect(await codeOf(collection.get('a'))).toBe('store_redis.reply_invalid')
    expect(await codeOf(collection.create('a', '1'))).toBe('store_redis.failed')
    expect(await codeOf(collection.take('a'))).toBe('store_redis.failed')
    expect(await client.get('{portcullis:a.b:0}e:a')).toBe('foreign')
  })
})

describe.skipIf(!hasRedis())('the start of a service', () => {
  let clients: Clients
  let server: RedisServer
  beforeEach(async () => {
    clients = new Clients()
    server = new RedisServer()
    await server.start()
  })
  afterEach(async () => {
    clients.close()
    await server.close()
  })

  it('with another number of partitions than the data have is refused, by check and by every verb, until it is put right', async () => {
    const client = clients.of(server)
    const one = createRedisStore({ client, timeout })
    await one.check()
    const four = createRedisStore({ client, partitions: 4, timeout })
    expect(await codeOf(four.check())).toBe('store_redis.partitions_differ')
    const collection = four.collection<string>({ name: 'a.b', indexes: ['user'] })
    const uses: (() => Promise<unknown>)[] = [
      () => collection.get('a'),
      () => collection.create('a', '1'),
      () => collection.replace('a', 1, '1'),
      () => collection.take('a'),
      () => collection.remove('a'),
      () => collection.find('user', 'u')[Symbol.asyncIterator]().next(),
    ]
    for (const use of uses) expect(await codeOf(use())).toBe('store_redis.partitions_differ')
    await one.check()
    await createRedisStore({ client, partitions: 4, prefix: 'other', timeout }).check()
  })

  it('finds out again when the server was restarted without its data', async () => {
    const [first, second] = [clients.of(server), clients.of(server)]
    const one = createRedisStore({ client: first, timeout }).collection<string>({ name: 'a.b', indexes: ['user'] })
    await one.create('a', '1')
    await server.restart()
    const four = createRedisStore({ client: second, partitions: 4, timeout })
    for (let attempt = 0; attempt < 100 && (await codeOf(four.check())) !== 'no error'; attempt++);
    for (let attempt = 0; attempt < 100 && (await codeOf(one.get('a'))) !== 'no error'; attempt++);
    expect(await codeOf(one.create('b', '1'))).toBe('store_redis.partitions_differ')
    expect(await codeOf(one.get('a'))).toBe('store_redis.partitions_differ')
  })

  it('on a server that would evict is refused, and on one that has no bound, or refuses instead, is not', async () => {
    const client = clients.of(server)
    const store = createRedisStore({ client, timeout })
    await store.check()
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru')
    await store.check()
    await client.config('SET', 'maxmemory', '100mb')
    for (const policy of ['allkeys-lru', 'volatile-lru', 'volatile-ttl', 'allkeys-random']) {
      await client.config('SET', 'maxmemory-policy', policy)
      expect(await codeOf(store.check())).toBe('store_redis.evicting')
    }
    await client.config('SET', 'maxmemory-policy', 'noeviction')
    await store.check()
  })
})
