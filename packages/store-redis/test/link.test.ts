import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import { FaultProxy, hasRedis, RedisServer } from '@portcullis/conformance/servers'
import { backendLostEvent, backendRestoredEvent, type Collection } from '@portcullis/core'
import { scopePolicies } from '@portcullis/rate-limit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createRedisStore, type RedisClient, type RedisStoreError } from '../src/index.ts'
import { createRedisRateLimitStore } from '../src/rate-limit.ts'
import { Clients } from './clients.ts'

const secret = 'a secret of at least 16 bytes'
const policies = scopePolicies('a', [{ name: 'p', quota: 10, window: 600 }])

async function outcome<T>(work: T | Promise<T>): Promise<T | string> {
  try {
    return await work
  } catch (error) {
    return (error as RedisStoreError).code
  }
}

async function eventually(what: string, holds: () => Promise<boolean>, within = 10_000): Promise<void> {
  const until = Date.now() + within
  while (!(await holds())) {
    if (Date.now() > until) expect.fail(`in vain for ${within} ms: ${what}`)
    await pause(10)
  }
}

/** Events of one backend. */
function listen(name: string): { readonly told: string[]; stop(): void } {
  const told: string[] = []
  const lost = backendLostEvent.subscribe(({ data }) => data.backend === name && told.push(`lost ${data.code}`))
  const restored = backendRestoredEvent.subscribe(({ data }) => data.backend === name && told.push('restored'))
  return {
    told,
    stop() {
      lost()
      restored()
    },
  }
}

describe.skipIf(!hasRedis())('a connection', () => {
  let names = 0
  let name: string
  let clients: Clients
  let server: RedisServer
  let proxy: FaultProxy
  beforeEach(async () => {
    names += 1
    name = `link-${names}`
    clients = new Clients()
    server = new RedisServer({ tcp: true })
    await server.start()
    proxy = new FaultProxy({ target: { port: server.port } })
    await proxy.start()
  })
  afterEach(async () => {
    clients.close()
    await proxy.close()
    await server.close()
  })
  const collectionOf = (client: RedisClient, indexes: readonly string[] = []): Collection<string> =>
    createRedisStore({ client, name, timeout: 1000 }).collection<string>({ name: 'a.b', indexes })

  it.each([
    ['plain', [], 'SET', 'GETDEL'],
    ['indexed', ['user'], 'EVALSHA', 'EVALSHA'],
  ] as const)(
    'that dies with an answer: a write is made once and said to be; a take says that nobody knows (%s)',
    async (...row) => {
      const [, indexes, writes, takes] = row
      const collection = collectionOf(clients.at(proxy.port), indexes)
      await collection.create('warm', 'x')
      await collection.replace('warm', (await collection.get('warm'))!.version, 'y')
      await collection.take('warm')
      const swallowed = [proxy.swallowNextAnswer(writes)]
      expect(await outcome(collection.create('a', 'first'))).toBe(true)
      const { version } = (await collection.get('a'))!
      swallowed.push(proxy.swallowNextAnswer('EVALSHA'))
      expect(await outcome(collection.replace('a', version, 'second'))).toBe(true)
      expect((await collection.get('a'))?.value).toBe('second')
      swallowed.push(proxy.swallowNextAnswer(takes))
      expect(await outcome(collection.take('a'))).toBe('store_redis.unavailable')
      await Promise.all(swallowed)
      expect(await collection.get('a')).toBeUndefined()
    },
  )

  it('that dies with an answer, behind a driver that repeats everything by itself: a write is still made once and said to be', async () => {
    const stubborn = { maxRetriesPerRequest: null, autoResendUnfulfilledCommands: true }
    for (const indexes of [[], ['user']]) {
      const collection = collectionOf(clients.at(proxy.port, stubborn), indexes)
      await collection.create('warm', 'x')
      await collection.take('warm')
      const swallowed = proxy.swallowNextAnswer(indexes.length === 0 ? 'SET' : 'EVALSHA')
      const id = `a${indexes.length}`
      expect(await outcome(collection.create(id, 'first'))).toBe(true)
      await swallowed
      expect((await collection.get(id))?.value).toBe('first')
      // Why such settings are not recommended: of a value that it has taken, it says that nothing was there.
      const lost = proxy.swallowNextAnswer(indexes.length === 0 ? 'GETDEL' : 'EVALSHA')
      expect(await outcome(collection.take(id))).toBeUndefined()
      await lost
    }
  })

  it('that dies with an answer of a limit: it was charged once, and nobody is told that it was allowed', async () => {
    const limits = createRedisRateLimitStore({ client: clients.at(proxy.port), secret, name, timeout: 1000 })
    await limits.consume(['k'], policies, 1)
    const swallowed = proxy.swallowNextAnswer('EVALSHA')
    expect(await outcome(limits.consume(['k'], policies, 1))).toBe('store_redis.unavailable')
    await swallowed
    expect((await limits.consume(['k'], policies, 0)).results).toMatchObject([{ remaining: 8 }])
  })

  it.each([
    ['hangs', (): void => proxy.hang(), (): void => proxy.resume()],
    ['hangs, and is then cut by whoever is between', (): void => proxy.hang(), (): void => void [proxy.resume(), proxy.cut()]],
    ['leads to a server that is frozen', (): void => server.freeze(), (): void => server.thaw()],
    ['is refused', (): Promise<void> => proxy.refuse(), (): Promise<void> => proxy.accept()],
    ['leads to a server that is killed', (): Promise<void> => server.kill(), (): Promise<void> => server.start()],
  ] as const)('that %s: calls end in time, one event says so, and within seconds all is well', async (_what, begin, end) => {
    const client = clients.at(proxy.port)
    const store = createRedisStore({ client, name, timeout: 250 })
    const collection = store.collection<string>({ name: 'a.b' })
    const limits = createRedisRateLimitStore({ client, secret, name, timeout: 250 })
    await collection.create('a', 'x')
    const { told, stop } = listen(name)
    try {
      await begin()
      const until = Date.now() + 1500
      while (Date.now() < until) {
        const begun = performance.now()
        const failed = [collection.get('a'), collection.create('b', 'x'), limits.consume(['k'], policies, 1)]
        for (const one of await Promise.all(failed.map((use) => outcome<unknown>(use)))) {
          expect(one).toMatch(/^store_redis\.(timeout|unavailable)$/)
        }
        expect(performance.now() - begun).toBeLessThan(250 + 2000)
        await pause(5)
      }
      expect(told).toEqual([expect.stringMatching(/^lost store_redis\.(timeout|unavailable)$/)])
      await end()
      const [back, begun] = [async () => typeof (await outcome(collection.get('a'))) !== 'string', Date.now()]
      await eventually('it answers again', back)
      expect(Date.now() - begun).toBeLessThan(5000)
      await eventually('and goes on to', async () => {
        for (let n = 0; n < 20; n++) if (!(await back())) return false
        return typeof (await outcome(limits.consume(['k'], policies, 0))) !== 'string'
      })
      expect(told).toEqual([expect.any(String), 'restored'])
    } finally {
      stop()
    }
  })

  it('that Redis refuses something on: no error that is logged whole has an id, a key or a value in it', async () => {
    const client = clients.at(proxy.port)
    const collection = createRedisStore({ client, name, timeout: 10_000 }).collection<string>({ name: 'a.b', indexes: ['user'] })
    await client.set('{portcullis:a.b:0}i', 'of a wrong type')
    const misspelling: RedisClient = { call: (command, ...args) => client.call(command === 'SET' ? 'NOSUCH' : command, ...args) }
    const refused = [
      () => collection.create('secret-id', 'secret-value', { index: { user: 'secret-key' } }),
      () =>
        createRedisStore({ client: misspelling, timeout: 10_000 })
          .collection<string>({ name: 'a.b' })
          .create('secret-id', 'secret-value'),
    ]
    for (const one of refused) {
      const error: RedisStoreError = await one().then(
        () => expect.fail('it was done'),
        (reason) => reason,
      )
      expect(error.code).toBe('store_redis.failed')
      expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('secret')
      expect(String((error.cause as Error).message)).toMatch(/^(WRONGTYPE|ERR unknown command)/)
    }
  })

  it('to a network that swallows everything for good is replaced by another', async () => {
    const client = clients.at(proxy.port)
    const collection = collectionOf(client)
    await collection.create('a', 'x')
    const accepted = proxy.accepted
    proxy.hang()
    await outcome(collection.get('a'))
    await eventually('the client has given the connection up', async () => {
      await outcome(collection.get('a'))
      return proxy.accepted > accepted
    })
  })

  it('to a server that takes no writes: one event, though reads and writes that have nothing to do go on; then all is well', async () => {
    const client = clients.at(proxy.port)
    const collection = createRedisStore({ client, name, timeout: 10_000 }).collection<string>({ name: 'a.b', indexes: ['user'] })
    await collection.create('a', 'x', { index: { user: 'u' } })
    await server.command('CONFIG', 'SET', 'min-replicas-to-write', '1')
    const { told, stop } = listen(name)
    try {
      for (let n = 0; n < 50; n++) {
        expect(await outcome(collection.create(`b${n}`, 'x'))).toBe('store_redis.read_only')
        expect(await outcome(collection.take('a'))).toBe('store_redis.read_only')
        expect((await collection.get('a'))?.value).toBe('x')
        expect(await collection.create('a', 'y')).toBe(false)
        expect(await collection.take('nothing')).toBeUndefined()
      }
      expect(told).toEqual(['lost store_redis.read_only'])
      await server.command('CONFIG', 'SET', 'min-replicas-to-write', '0')
      expect(await collection.take('a')).toBe('x')
      expect(told).toEqual(['lost store_redis.read_only', 'restored'])
    } finally {
      stop()
    }
  })
})
