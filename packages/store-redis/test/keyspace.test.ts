import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { hasRedis } from '@portcullis/conformance/servers'
import { manualClock } from '@portcullis/conformance/store'
import type { Collection } from '@portcullis/core'
import { scopePolicies } from '@portcullis/rate-limit'
import type { Redis } from 'ioredis'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createRedisStore } from '../src/index.ts'
import { createRedisRateLimitStore } from '../src/rate-limit.ts'
import { ownServer } from './backends.ts'

describe.skipIf(!hasRedis())('the keyspace', () => {
  const own = ownServer()
  const { clients } = own
  let client: Redis
  beforeAll(async () => {
    client = clients.of(own.server)
  })
  beforeEach(async () => {
    await client.flushall()
  })

  async function keys(pattern = '*'): Promise<string[]> {
    const all: string[] = []
    for await (const page of client.scanStream({ match: pattern, count: 1000 })) all.push(...(page as string[]))
    return all.sort()
  }

  async function someVerb(
    collection: Collection<number>,
    indexed: boolean,
    lives: readonly (number | undefined)[],
  ): Promise<void> {
    const any = <T>(of: readonly T[]): T => of[Math.floor(Math.random() * of.length)]!
    const id = `id-${Math.floor(Math.random() * 30)}`
    const life = any(lives)
    const options = {
      ...(life === undefined ? {} : { expiresAt: Date.now() + life }),
      ...(indexed ? { index: { user: any(['u', 'v']), ...(Math.random() < 0.5 && { tenant: any(['s', 't']) }) } } : {}),
    }
    const verbs = [
      () => collection.create(id, 1, options),
      () => collection.create(id, 1, options),
      async () => collection.replace(id, (await collection.get(id))?.version ?? 1, 2, options),
      () => collection.take(id),
      () => collection.remove(id),
    ]
    await any(verbs)()
  }

  it('has a key for the number of partitions, meant to live forever, and no other that never ends but what was given no end', async () => {
    const store = createRedisStore({ client, timeout: 10_000, partitions: 3 })
    const lives = {
      'w.plain': [1, 5, 20, 100, 60_000],
      'w.indexed': [1, 5, 20, 100, 60_000],
      'w.mixed': [1, 5, 20, 100, 60_000, undefined],
    }
    const open = (name: string, indexes: readonly string[]) => store.collection<number>({ name, indexes })
    const collections = [open('w.plain', []), open('w.indexed', ['user', 'tenant']), open('w.mixed', ['user', 'tenant'])]
    for (let step = 0; step < 150; step++) {
      await Promise.all(
        collections.flatMap((collection, n) =>
          Array.from({ length: 5 }, () => someVerb(collection, n > 0, Object.values(lives)[n]!)),
        ),
      )
      await walk()
    }

    async function walk(): Promise<void> {
      for (const key of await keys()) {
        if (key === 'portcullis:partitions') continue
        const [, collection, kind] = /^\{portcullis:(w\.[a-z]+):[012]\}([eix])/.exec(key) ?? []
        expect(collection, `a key of nobody: ${key}`).toBeDefined()
        const ends = await endOf(key, kind!)
        if (collection !== 'w.mixed' && ends !== 'gone') expect(ends, key).not.toBe('never')
      }
    }

    /** What Redis has of a key's end must be what the data say of it. */
    async function endOf(key: string, kind: string): Promise<'never' | 'gone' | number> {
      const script =
        kind === 'e'
          ? "return { redis.call('PTTL', KEYS[1]), redis.call('TIME'), redis.call('GET', KEYS[1]) }"
          : "local x = string.sub(KEYS[1], 1, -2) .. 'x' return { redis.call('PTTL', KEYS[1]), redis.call('TIME'), redis.call('ZRANGE', x, -1, -1, 'WITHSCORES')[2] }"
      const [ttl, [seconds, micros], said] = (await client.call('EVAL', script, '1', key)) as [
        number,
        [string, string],
        string | null,
      ]
      if (ttl === -2 || said === null) return 'gone'
      const ends = kind === 'e' ? said.split('\0')[1]! : said
      if (ends === '' || ends === 'inf') {
        expect(ttl, key).toBe(-1)
        return 'never'
      }
      const over = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000) + ttl
      expect(Math.abs(over - (Number(ends) - 1)), key).toBeLessThanOrEqual(2)
      return over
    }
  })

  it('is empty again when the time of everything has passed', async () => {
    const store = createRedisStore({ client, timeout: 10_000, partitions: 3 })
    const collection = store.collection<number>({ name: 'w.indexed', indexes: ['user', 'tenant'] })
    const plain = store.collection<number>({ name: 'w.plain' })
    const limits = createRedisRateLimitStore({ client, secret: randomBytes(16), timeout: 10_000 })
    const policies = scopePolicies('w', [{ name: 'p', quota: 100, window: 1 }])
    for (let step = 0; step < 100; step++) {
      await Promise.all([someVerb(collection, true, [1, 20, 300]), someVerb(plain, false, [1, 20, 300])])
      await limits.consume([`k${step % 10}`], policies, 1)
    }
    const until = Date.now() + 15_000
    while ((await keys()).length > 1 && Date.now() < until) await pause(20)
    expect(await keys()).toEqual(['portcullis:partitions'])
  })

  it('does not fill with what has expired: each write removes more of it than it adds, and a find removes what it meets', async () => {
    const clock = manualClock()
    const collection = createRedisStore({ client, clock, timeout: 10_000 }).collection<number>({
      name: 'w.sweep',
      indexes: ['user'],
    })
    await collection.create('stays', 0, { index: { user: 'u' } })
    const expiresAt = clock.now() + 300
    await Promise.all(Array.from({ length: 400 }, (_, n) => collection.create(`e${n}`, n, { expiresAt, index: { user: 'u' } })))
    const members = () => Promise.all([client.zcard('{portcullis:w.sweep:0}i'), client.zcard('{portcullis:w.sweep:0}x')])
    expect(await members()).toEqual([401, 401])
    clock.advance(300)
    for (let n = 0; n < 10; n++) await collection.create(`f${n}`, n, { index: { user: 'v' } })
    expect(await members()).toEqual([401 - 90 + 10, 401 - 90 + 10])
    for await (const { id } of collection.find('user', 'u')) expect(id).toBe('stays')
    expect(await members()).toEqual([11, 11])
  })

  it('is under the prefix, and stores with another one see nothing of it', async () => {
    const open = (prefix: string) =>
      createRedisStore({ client, prefix, timeout: 10_000 }).collection<number>({ name: 'a.b', indexes: ['user'] })
    await open('one').create('id', 1, { index: { user: 'u' } })
    expect(await open('two').get('id')).toBeUndefined()
    for (const key of await keys()) expect(key).toMatch(/^(\{one:a\.b:0\}(e:id|i|x)|(one|two):partitions)$/)
  })

  it('of limits has digests and no key, none that anybody could find by trying without the secret', async () => {
    const policies = scopePolicies('sign-in', [{ name: 'p', quota: 10, window: 600 }])
    for (const secret of ['a secret of sixteen bytes', 'another secret of sixteen']) {
      await createRedisRateLimitStore({ client, secret, timeout: 10_000 }).consume(['203.0.113.7'], policies, 1)
    }
    const found = await keys()
    expect(found).toHaveLength(2)
    for (const key of found) {
      expect(key).toMatch(/^portcullis:limit:\{[\w-]{22}\}sign-in:p:$/)
      expect(key + (await client.get(key))).not.toContain('203')
      expect(await client.pttl(key)).toBeGreaterThan(59_000)
      expect(await client.pttl(key)).toBeLessThanOrEqual(60_000)
    }
  })
})
