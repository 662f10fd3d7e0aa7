import { setTimeout as pause } from 'node:timers/promises'
import { hasRedis } from '@portcullis/conformance/servers'
import type { Collection } from '@portcullis/core'
import type { Redis } from 'ioredis'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createRedisStore, type RedisClient } from '../src/index.ts'
import { ownServer } from './backends.ts'

/** Each command goes out twice, as a driver does it that has lost the first answer with the connection. */
function stuttering(client: RedisClient): RedisClient {
  return {
    async call(command, ...args) {
      await client.call(command, ...args)
      return client.call(command, ...args)
    },
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

// The published suite moves a clock; here the server's own goes on, and collections without an index go by commands instead of scripts.
describe.skipIf(!hasRedis())('by the clock of the server', () => {
  const own = ownServer()
  const { clients } = own
  let client: Redis
  let peers: readonly RedisClient[]
  let names = 0
  beforeAll(async () => {
    client = clients.of(own.server)
    peers = [client, clients.of(own.server), clients.of(own.server)]
  })
  beforeEach(() => {
    names += 1
  })

  async function serverTime(): Promise<number> {
    const [seconds, micros] = (await client.time()) as unknown as [string, string]
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
  }

  async function until(time: number): Promise<void> {
    while ((await serverTime()) < time) await pause(2)
  }

  describe.each([
    ['without an index', []],
    ['with an index', ['user']],
  ] as const)('%s', (_what, indexes) => {
    const options = (expiresAt?: number) => ({
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(indexes.length === 0 ? {} : { index: { user: 'u' } }),
    })

    function open(through: RedisClient = client): Collection<unknown & any> {
      return createRedisStore({ client: through, timeout: 10_000 }).collection({ name: `own.c${names}`, indexes })
    }

    it('a value is there until the millisecond in which it expires, and not in it', async () => {
      const collection = open()
      for (let round = 0; round < 5; round++) {
        const expiresAt = (await serverTime()) + 30
        expect(await collection.create('a', round, options(expiresAt))).toBe(true)
        for (let over = false; !over; ) {
          const before = await serverTime()
          const read = await collection.get('a')
          const after = await serverTime()
          if (after < expiresAt) expect(read).toMatchObject({ value: round, expiresAt })
          over = before >= expiresAt
          if (over) expect(read).toBeUndefined()
        }
      }
    })

    it('what has expired is not there for any verb, and its id is free', async () => {
      const collection = open()
      const expiresAt = (await serverTime()) + 100
      for (const id of ['replace', 'take', 'remove', 'create']) await collection.create(id, id, options(expiresAt))
      const version = (await collection.get('replace'))?.version ?? 0
      await until(expiresAt)
      expect(await collection.replace('replace', version, 'new')).toBe(false)
      expect(await collection.take('take')).toBeUndefined()
      expect(await collection.remove('remove')).toBe(false)
      if (indexes.length > 0) expect(await collect(collection.find('user', 'u'))).toEqual([])
      expect(await collection.create('create', 'again')).toBe(true)
      expect(await collection.get('create')).toMatchObject({ value: 'again', expiresAt: undefined })
    })

    it('what is written with an expiry that has come already is not there, and is no error', async () => {
      const collection = open()
      for (const expiresAt of [0, 1, (await serverTime()) - 1]) {
        expect(await collection.create('a', 1, options(expiresAt))).toBe(true)
        expect(await collection.get('a')).toBeUndefined()
      }
      expect(await collection.create('a', 2)).toBe(true)
      const version = (await collection.get('a'))?.version ?? 0
      expect(await collection.replace('a', version, 3, options(1))).toBe(true)
      expect(await collection.get('a')).toBeUndefined()
      expect(await collection.create('a', 4, options(Number.MAX_SAFE_INTEGER))).toBe(true)
      expect(await collection.get('a')).toMatchObject({ value: 4, expiresAt: Number.MAX_SAFE_INTEGER })
    })

    it('replace puts the expiry off, brings it forward, and takes it away', async () => {
      const collection = open()
      const now = await serverTime()
      for (const id of ['off', 'forward', 'away']) await collection.create(id, id, options(now + 800))
      const change = async (id: string, expiresAt?: number) =>
        collection.replace(id, (await collection.get(id))?.version ?? 0, id, options(expiresAt))
      expect([await change('off', now + 60_000), await change('forward', now + 600), await change('away')]).toEqual([
        true,
        true,
        true,
      ])
      await until(now + 600)
      expect(await collection.get('forward')).toBeUndefined()
      await until(now + 800)
      expect([(await collection.get('off'))?.value, (await collection.get('away'))?.value]).toEqual(['off', 'away'])
      expect(await collection.create('off', 'taken')).toBe(false)
    })

    it('of 200 takes, creates, replaces and removes of one id at once, over three connections, one succeeds', async () => {
      const connections = peers.map((peer) => open(peer))
      const atOnce = <T>(use: (collection: Collection<any>, n: number) => Promise<T>): Promise<T[]> =>
        Promise.all(Array.from({ length: 200 }, (_, n) => use(connections[n % 3]!, n)))
      const [collection] = connections
      for (let round = 0; round < 3; round++) {
        const created = await atOnce((one, n) => one.create('a', n, options()))
        expect(created.filter(Boolean)).toHaveLength(1)
        const { value, version } = (await collection!.get('a'))!
        expect(value).toBe(created.indexOf(true))
        const replaced = await atOnce((one, n) => one.replace('a', version, n, options()))
        expect(replaced.filter(Boolean)).toHaveLength(1)
        expect((await atOnce((one) => one.take('a'))).filter((taken) => taken !== undefined)).toEqual([replaced.indexOf(true)])
        await collection!.create('a', 1)
        expect((await atOnce((one) => one.remove('a'))).filter(Boolean)).toHaveLength(1)
      }
    })

    it('take tells null, false, 0 and the empty text from nothing', async () => {
      const collection = open()
      for (const value of [null, false, 0, '']) {
        await collection.create('a', value)
        expect(await collection.take('a')).toBe(value)
        expect(await collection.take('a')).toBeUndefined()
      }
    })

    it('create and replace that a driver sends twice say true: the second finds what the first wrote', async () => {
      const [collection, twice] = [open(), open(stuttering(client))]
      expect(await twice.create('a', 'first', options())).toBe(true)
      expect(await collection.create('a', 'other', options())).toBe(false)
      const { version } = (await collection.get('a'))!
      expect(await twice.replace('a', version, 'second', options())).toBe(true)
      expect(await collection.get('a')).toMatchObject({ value: 'second', version: expect.not.toBeOneOf([version]) })
      expect(await twice.replace('a', version, 'third', options())).toBe(false)
      expect((await collection.get('a'))?.value).toBe('second')
      if (indexes.length > 0) expect(await collect(collection.find('user', 'u'))).toHaveLength(1)
    })
  })

  it('an entry that expires while the ones before it are looked at is not given', async () => {
    const collection = createRedisStore({ client, timeout: 10_000 }).collection<string>({
      name: `own.c${names}`,
      indexes: ['user'],
    })
    const expiresAt = (await serverTime()) + 150
    await collection.create('a', 'a', { index: { user: 'u' } })
    await collection.create('b', 'b', { index: { user: 'u' }, expiresAt })
    await collection.create('c', 'c', { index: { user: 'u' } })
    const seen: string[] = []
    for await (const { id } of collection.find('user', 'u')) {
      seen.push(id)
      if (id === 'a') await until(expiresAt + 1)
    }
    expect(seen).toEqual(['a', 'c'])
  })
})
