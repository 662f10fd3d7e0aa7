import { hasRedis, RedisServer } from '@portcullis/conformance/servers'
import { createRevocations, type RevocationCursor } from '@portcullis/tokens'
import type { Redis } from 'ioredis'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createRedisRevocationFeed, type RedisClient, RedisStoreError } from '../src/index.ts'
import { ownServer } from './backends.ts'
import { Clients } from './clients.ts'

async function readAll(cursor: RevocationCursor): Promise<string[]> {
  const entries: string[] = []
  for (let more = true; more; ) {
    const batch = await cursor.read()
    entries.push(...batch.entries.map(({ entry }) => entry))
    more = batch.more
  }
  return entries
}

const answering = (reply: unknown): RedisClient => ({ call: async () => reply })
const silent: RedisClient = { call: () => new Promise(() => {}) }

describe('options', () => {
  it.each([
    ['no client', {}],
    ['a client without call', { client: {} }],
    ['an empty prefix', { client: silent, prefix: '' }],
    ['a name with a colon', { client: silent, name: 'a:b' }],
    ['a lifetime that is no number', { client: silent, maxTokenLifetime: Number.NaN }],
    ['an interval of nothing', { client: silent, interval: 0 }],
    ['no deadline', { client: silent, timeout: Number.POSITIVE_INFINITY }],
  ])('%s is refused', (_what, options) => {
    expect(() => createRedisRevocationFeed(options as any)).toThrow(
      expect.objectContaining({ code: 'store_redis.options_invalid' }),
    )
  })

  it('entries are kept for as long as revocations of the same lifetime ask, by default and otherwise', () => {
    for (const maxTokenLifetime of [1, 3600, 86_400]) {
      const feed = createRedisRevocationFeed({ client: silent, maxTokenLifetime })
      expect(() => createRevocations({ feed, maxTokenLifetime })).not.toThrow()
      expect(() => createRevocations({ feed, maxTokenLifetime: maxTokenLifetime + 1 })).toThrow('maxTokenLifetime')
    }
    expect(() => createRevocations({ feed: createRedisRevocationFeed({ client: silent }) })).not.toThrow()
  })
})

describe('a client that misbehaves', () => {
  it.each([
    ['nothing', null],
    ['no list', 'OK'],
    ['a list of something else', ['1-1']],
    ['an entry without fields', [['1-1', null]]],
    ['an entry without an id', [[1, ['entry', 'x']]]],
  ])('answers %s: reading rejects', async (_what, reply) => {
    const cursor = createRedisRevocationFeed({ client: answering(reply) }).follow()
    await expect(cursor.read()).rejects.toThrow(expect.objectContaining({ code: 'store_redis.reply_invalid' }))
  })

  it('answers no id: what was published counts as not published', async () => {
    const feed = createRedisRevocationFeed({ client: answering(null) })
    await expect(feed.publish('x')).rejects.toThrow(expect.objectContaining({ code: 'store_redis.reply_invalid' }))
  })

  it('never answers: each call ends at its deadline, and commands do not pile up without end', async () => {
    let sent = 0
    const client: RedisClient = {
      call: () => {
        sent += 1
        return new Promise(() => {})
      },
    }
    const feed = createRedisRevocationFeed({ client, timeout: 1 })
    const codes = new Set<string>()
    for (let call = 0; call < 100; call++) {
      const error: RedisStoreError = await feed.publish('secret-handle').then(
        () => expect.fail('it was published'),
        (reason) => reason,
      )
      expect(error).toMatchObject({ status: 503, message: expect.not.stringContaining('secret-handle') })
      codes.add(error.code)
    }
    expect([...codes]).toEqual(['store_redis.timeout', 'store_redis.unavailable'])
    expect(sent).toBeLessThan(10)
  })

  it('answers at last: it is asked again at once', async () => {
    const waiting: ((reply: unknown) => void)[] = []
    const client: RedisClient = { call: () => new Promise((resolve) => waiting.push(resolve)) }
    const cursor = createRedisRevocationFeed({ client, timeout: 1 }).follow()
    for (let call = 0; call < 10; call++) await expect(cursor.read()).rejects.toThrow(RedisStoreError)
    const asked = waiting.length
    expect(asked).toBeLessThan(10)
    for (const resolve of waiting) resolve([])
    await new Promise((resolve) => setImmediate(resolve))
    await expect(cursor.read()).rejects.toThrow(RedisStoreError)
    expect(waiting).toHaveLength(asked + 1)
  })
})

describe.skipIf(!hasRedis())('a stream', () => {
  const own = ownServer()
  const { clients } = own
  let client: Redis
  let names = 0
  let name: string
  let key: string
  beforeAll(async () => {
    client = clients.of(own.server)
  })
  beforeEach(() => {
    names += 1
    name = `n${names}`
    key = `portcullis:revocations:${name}`
  })

  it('that was flushed, and began anew, is read from its beginning', async () => {
    const feed = createRedisRevocationFeed({ client, timeout: 10_000, name })
    const cursor = feed.follow()
    await feed.publish('before')
    await readAll(cursor)
    await client.del(key)
    expect(await readAll(cursor)).toEqual([])
    await feed.publish('after')
    expect(await readAll(cursor)).toEqual(['after'])
  })

  it('of another server, whose ids go back behind the last that was read, is read from its beginning', async () => {
    const feed = createRedisRevocationFeed({ client, timeout: 10_000, name })
    const cursor = feed.follow()
    await feed.publish('before')
    await readAll(cursor)
    await client.del(key)
    await client.xadd(key, '5-1', 'entry', 'one')
    await client.xadd(key, '6-1', 'entry', 'two')
    expect(await readAll(cursor)).toEqual(['one', 'two'])
    await client.xadd(key, '7-1', 'entry', 'three')
    expect(await readAll(cursor)).toEqual(['three'])
  })

  it('of a replica that lagged, and gave the id of a lost entry to another, is read from its beginning', async () => {
    const cursor = createRedisRevocationFeed({ client, timeout: 10_000, name }).follow()
    await client.xadd(key, '5-1', 'entry', 'kept')
    await client.xadd(key, '6-1', 'entry', 'lost')
    await readAll(cursor)
    await client.del(key)
    await client.xadd(key, '5-1', 'entry', 'kept')
    await client.xadd(key, '6-1', 'entry', 'other')
    expect(await readAll(cursor)).toEqual(['kept', 'other'])
  })

  it('that was trimmed behind a follower that was away is read from its beginning', async () => {
    const feed = createRedisRevocationFeed({ client, timeout: 10_000, name })
    const cursor = feed.follow()
    await feed.publish('one')
    await readAll(cursor)
    for (const entry of ['two', 'three', 'four']) await feed.publish(entry)
    await client.xtrim(key, 'MAXLEN', 2)
    expect(await readAll(cursor)).toEqual(['three', 'four'])
  })

  it('loses what is older than its retention, and nothing that is live, however much there is', async () => {
    const [second] = (await client.time()) as [number, number]
    const now = Number(second) * 1000
    const feed = createRedisRevocationFeed({ client, timeout: 10_000, name, maxTokenLifetime: 3600 })
    // A node of a stream has 100 entries: trimming that is nearly exact takes whole nodes.
    for (let n = 0; n < 250; n++) await client.xadd(key, `${now - 4_900_000 + n}-1`, 'entry', 'old')
    for (let n = 0; n < 2500; n++) await client.xadd(key, `${now - 4_700_000 + n}-1`, 'entry', 'live')
    await feed.publish('new')
    const left = await readAll(feed.follow())
    expect(left.filter((entry) => entry === 'live')).toHaveLength(2500)
    expect(left.filter((entry) => entry === 'old').length).toBeLessThan(100)
  })

  it('keeps what is live when a writer has a clock that is a day ahead', async () => {
    const [second] = (await client.time()) as [number, number]
    await client.xadd(key, `${Number(second) * 1000 - 1000}-1`, 'entry', 'live')
    for (let n = 0; n < 250; n++) await client.xadd(key, '*', 'entry', 'live')
    const feed = createRedisRevocationFeed({ client, timeout: 10_000, name, clock: { now: () => Date.now() + 86_400_000 } })
    await feed.publish('new')
    expect(await readAll(feed.follow())).toHaveLength(252)
  })

  it('with an entry that somebody else wrote makes whoever follows it fail: nobody knows what it revokes', async () => {
    await client.xadd(key, '*', 'something', 'else')
    const revocations = createRevocations({ feed: createRedisRevocationFeed({ client, timeout: 10_000, name }) })
    await expect(revocations.start()).rejects.toThrow(expect.objectContaining({ code: 'tokens.revocations_unavailable' }))
    expect(revocations.status().failure).toBe('tokens.revocation_invalid')
    await revocations.close()
  })

  it('that is no stream is an error with a code', async () => {
    await client.set(key, 'x')
    const feed = createRedisRevocationFeed({ client, timeout: 10_000, name })
    await expect(feed.publish('x')).rejects.toThrow(expect.objectContaining({ code: 'store_redis.failed', status: 503 }))
    await expect(feed.follow().read()).rejects.toThrow(expect.objectContaining({ code: 'store_redis.failed' }))
  })

  it('is apart from those with another name or prefix', async () => {
    await createRedisRevocationFeed({ client, timeout: 10_000, name }).publish('mine')
    expect(await readAll(createRedisRevocationFeed({ client, timeout: 10_000, name: 'other' }).follow())).toEqual([])
    expect(await readAll(createRedisRevocationFeed({ client, timeout: 10_000, name, prefix: 'other' }).follow())).toEqual([])
  })
})

describe.skipIf(!hasRedis())('a server that is killed', () => {
  it.each([
    ['with an append-only file comes back with what was acknowledged', ['--appendonly', 'yes', '--appendfsync', 'always'], true],
    ['without one comes back empty; whoever knew still knows, and goes on following', [], false],
  ] as const)('%s', async (_what, settings, kept) => {
    const server = new RedisServer()
    const clients = new Clients()
    try {
      await server.start(...settings)
      const feed = createRedisRevocationFeed({ client: clients.of(server) })
      const there = createRevocations({ feed })
      await there.start()
      await createRevocations({ feed }).revoke({ kind: 'session', id: 'before' })
      await there.sync()
      await server.kill()
      await expect(there.sync()).rejects.toThrow(expect.objectContaining({ code: 'tokens.revocations_unavailable' }))
      await server.start(...settings)
      await retry(() => createRevocations({ feed }).revoke({ kind: 'session', id: 'after' }))
      await retry(() => there.sync())
      const late = createRevocations({ feed: createRedisRevocationFeed({ client: clients.of(server) }) })
      await retry(() => late.sync())
      const iat = Math.floor(Date.now() / 1000)
      const claims = { iss: 'i', aud: 'a', iat, exp: iat + 60 }
      const knows = (one: typeof late, sid: string): boolean => one.check({ ...claims, sid }) !== undefined
      expect([knows(there, 'before'), knows(there, 'after')]).toEqual([true, true])
      expect([knows(late, 'before'), knows(late, 'after')]).toEqual([kept, true])
      await there.close()
      await late.close()
    } finally {
      clients.close()
      await server.close()
    }
  })
})

async function retry(work: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt === 50) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
