import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { hasRedis, RedisCluster } from '@portcullis/conformance/servers'
import { backendLostEvent, backendRestoredEvent, type Collection, PortcullisError } from '@portcullis/core'
import { scopePolicies } from '@portcullis/rate-limit'
import type { Cluster } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRedisStore } from '../src/index.ts'
import { createRedisRateLimitStore } from '../src/rate-limit.ts'
import { slotOf } from '../src/slot.ts'
import { Clients } from './clients.ts'

/** What a call came to; what is no answer must be an outage that says so, in time. */
async function answer<T>(work: Promise<T>, deadline = 1000): Promise<{ readonly value: T } | undefined> {
  const begun = performance.now()
  try {
    return { value: await work }
  } catch (error) {
    expect(error).toBeInstanceOf(PortcullisError)
    expect(error).toMatchObject({ status: 503, code: expect.stringMatching(/^store_redis\.(timeout|unavailable)$/) })
    return undefined
  } finally {
    expect(performance.now() - begun).toBeLessThan(deadline + 4000)
  }
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const until = Date.now() + 15_000
  while (!(await holds())) {
    if (Date.now() > until) expect.fail(`in vain for 15 seconds: ${what}`)
    await pause(10)
  }
}

it('slots are those of Redis: the cluster specification has 12739 for 123456789', () => {
  expect(slotOf('123456789')).toBe(0x31c3)
  expect([slotOf('{user1000}.following'), slotOf('{user1000}.followers')]).toEqual([slotOf('user1000'), slotOf('user1000')])
  expect(slotOf('foo{}{bar}')).not.toBe(slotOf('bar'))
  expect(slotOf('foo{{bar}}zap')).toBe(slotOf('{bar'))
})

describe.skipIf(!hasRedis())('a cluster', () => {
  const clients = new Clients()
  let cluster: RedisCluster
  let client: Cluster
  beforeAll(async () => {
    cluster = new RedisCluster()
    await cluster.start('--cluster-require-full-coverage', 'no', '--appendonly', 'yes', '--appendfsync', 'always')
    client = clients.ofCluster(cluster)
  }, 60_000)
  afterAll(async () => {
    clients.close()
    await cluster.close()
  })

  async function allKeys(): Promise<string[]> {
    const replies = await Promise.all(cluster.nodes.map(({ server }) => server.command('KEYS', '*')))
    return replies.flat() as string[]
  }

  it('has all keys of a part on one slot, whatever braces are in an id, and parts on many', async () => {
    const collection = createRedisStore({ client, prefix: 'slots', timeout: 10_000 }).collection<number>({
      name: 'a.b',
      indexes: ['user'],
    })
    const ids = ['{a}', '{b}', '}{', '{', '}', '{}', '{}{a}', 'a}b{c', ...Array.from({ length: 60 }, (_, n) => `{x}${n}`)]
    for (const id of ids) expect(await collection.create(id, 1, { index: { user: '{u}' } })).toBe(true)
    const found: string[] = []
    for await (const { id } of collection.find('user', '{u}')) found.push(id)
    expect(found).toEqual([...ids].sort())
    const keys = (await allKeys()).filter((key) => key.startsWith('{slots:'))
    const slots = new Map<string, Set<number>>()
    for (const key of keys) {
      const tag = key.slice(0, key.indexOf('}') + 1)
      slots.set(tag, (slots.get(tag) ?? new Set()).add(await cluster.slotOf(key)))
      expect(slotOf(key)).toBe(await cluster.slotOf(key))
    }
    expect(slots.size).toBeGreaterThan(10)
    for (const of of slots.values()) expect(of.size).toBe(1)
    for (const id of ids) expect(await collection.take(id)).toBe(1)
  })

  it('checks policies of several keys that are scoped together, and refuses those that are not', async () => {
    const limits = createRedisRateLimitStore({ client, secret: 'a secret of at least 16 bytes', timeout: 10_000 })
    const policies = [
      { name: 'pair', quota: 5, window: 60 },
      { name: 'account', quota: 5, window: 60 },
    ]
    const together = scopePolicies('one', policies, 'sign-in')
    for (let n = 0; n < 50; n++) expect((await limits.consume([`{p${n}}`, `{a${n}}`], together, 1)).allowed).toBe(true)
    const apart = scopePolicies('two', policies)
    await expect(limits.consume(['p', 'a'], apart, 1)).rejects.toThrow(
      expect.objectContaining({ code: 'store_redis.keys_apart' }),
    )
    expect((await limits.consume(['p', 'p'], apart, 1)).allowed).toBe(true)
    const mixed = [...scopePolicies('three', policies.slice(0, 1), 'x'), ...scopePolicies('three', policies.slice(1), 'y')]
    expect(() => limits.declare?.(mixed)).toThrow(expect.objectContaining({ code: 'store_redis.keys_apart' }))
  })

  describe.each([
    ['without an index', [] as string[]],
    ['with an index', ['user']],
  ])('a slot that moves during traffic, of a collection %s', (_what, indexes) => {
    it('loses no acknowledged write, lets a one-time value be taken once, and leaves nothing half there', async () => {
      const prefix = `move${indexes.length}`
      const stores = [client, clients.ofCluster(cluster)].map((one) =>
        createRedisStore({ client: one, prefix, partitions: 1, timeout: 1000 }),
      )
      const collections = stores.map((store) => store.collection<string>({ name: 'm.v', indexes }))
      const index = indexes.length === 0 ? {} : { index: { user: 'u' } }
      const [collection] = collections as [Collection<string>]
      const old = Array.from({ length: 100 }, (_, n) => `old-${n}`)
      for (const id of old) await collection.create(id, id, index)

      const kept = new Set<string>(old)
      const unsure = new Set<string>()
      let [taken, rejected, running] = [0, 0, true]
      const count = <T>(outcome: T): T => {
        if (outcome === undefined) rejected += 1
        return outcome
      }
      const writer = async (): Promise<void> => {
        for (; running; await pause(5)) {
          const id = randomBytes(8).toString('hex')
          const created = count(await answer(collection.create(id, id, index)))
          if (created === undefined) unsure.add(id)
          else if (created.value) kept.add(id)
          else expect.fail('a new id was said to be there')
        }
      }
      const taker = async (): Promise<void> => {
        for (; running; await pause(5)) {
          const id = randomBytes(8).toString('hex')
          if (count(await answer(collection.create(id, id, index))) === undefined) {
            unsure.add(id)
            continue
          }
          const outcomes = await Promise.all([0, 1, 2, 3].map((n) => answer(collections[n % 2]!.take(id))))
          const winners = outcomes.filter((outcome) => outcome?.value !== undefined)
          expect(winners.length).toBeLessThanOrEqual(1)
          taken += winners.length
          if (winners.length === 0) unsure.add(id)
        }
      }
      const replacer = async (): Promise<void> => {
        await collection.create('document', '0', index)
        kept.add('document')
        for (; running; await pause(5)) {
          const read = count(await answer(collection.get('document')))
          if (read === undefined) continue
          count(await answer(collection.replace('document', read.value!.version, String(Number(read.value!.value) + 1), index)))
        }
      }
      const reader = async (): Promise<void> => {
        for (; running; await pause(5)) {
          const id = old[Math.floor(Math.random() * old.length)]!
          const read = count(await answer(collection.get(id)))
          if (read !== undefined) expect(read.value?.value).toBe(id)
          if (indexes.length === 0) continue
          const found = count(await answer(ids(collection)))
          // Whatever has the slot, what was there before and was never touched is found.
          if (found !== undefined) expect(old.filter((one) => !found.value.includes(one))).toEqual([])
        }
      }
      const traffic = [writer(), taker(), taker(), replacer(), reader()]
      const slot = await cluster.slotOf(`{${prefix}:m.v:0}`)
      const nodes = new Set<number>([(await cluster.nodeOf(slot)).port])
      for (let time = 0; time < 3; time++) {
        await cluster.migrate(slot, () => pause(1))
        nodes.add((await cluster.nodeOf(slot)).port)
      }
      await pause(100)
      running = false
      await Promise.all(traffic)

      expect(nodes.size).toBe(3)
      expect(taken).toBeGreaterThan(10)
      if (indexes.length === 0) expect(rejected).toBe(0)
      const there = new Set<string>()
      for (const id of [...kept, ...unsure]) if ((await collection.get(id)) !== undefined) there.add(id)
      expect([...kept].filter((id) => !there.has(id))).toEqual([])
      if (indexes.length > 0) expect(await ids(collection)).toEqual([...there].sort())
    }, 60_000)
  })

  async function ids(collection: Collection<string>): Promise<string[]> {
    const all: string[] = []
    for await (const { id } of collection.find('user', 'u')) all.push(id)
    return all
  }

  it('with one master dead rejects what is on it in time, goes on with the rest, says so once, and comes back by itself', async () => {
    const store = createRedisStore({ client, prefix: 'dead', partitions: 1, name: 'dead-test', timeout: 1000 })
    const limits = createRedisRateLimitStore({
      client,
      prefix: 'dead',
      secret: 'a secret of at least 16 bytes',
      name: 'dead-test',
      timeout: 1000,
    })
    const policies = scopePolicies('one', [{ name: 'p', quota: 1000, window: 60 }])
    const [victim] = [cluster.nodes[1]!]
    const on = new Map<boolean, Collection<string>>()
    for (let n = 0; on.size < 2; n++) {
      const node = await cluster.nodeOf(await cluster.slotOf(`{dead:n.c${n}:0}`))
      const key = node === victim
      if (!on.has(key)) on.set(key, store.collection<string>({ name: `n.c${n}`, indexes: ['user'] }))
    }
    const [lost, others] = [on.get(true)!, on.get(false)!]
    for (const one of [lost, others]) await one.create('before', 'x', { index: { user: 'u' } })
    const told: string[] = []
    const stop = [
      backendLostEvent.subscribe(({ data }) => data.backend === 'dead-test' && told.push('lost')),
      backendRestoredEvent.subscribe(({ data }) => data.backend === 'dead-test' && told.push('restored')),
    ]
    try {
      await victim.server.kill()
      let rejected = 0
      // Past the node timeout, after which the others call it failed.
      const until = Date.now() + 3500
      for (let n = 0; Date.now() < until; n++) {
        const outcomes = [
          answer(lost.get('before')),
          answer(lost.create(`l${n}`, 'x', { index: { user: 'u' } })),
          answer(lost.take('nothing')),
          answer(others.create(`o${n}`, 'x', { index: { user: 'u' } })),
          answer(others.get('before')),
          answer(Promise.resolve(limits.consume([`k${n}`], policies, 1))),
        ]
        const [got, created, took, made, read] = await Promise.all(outcomes)
        expect([got, created, took]).toEqual([undefined, undefined, undefined])
        rejected += 3
        expect(made).toEqual({ value: true })
        expect(read).toMatchObject({ value: { value: 'x' } })
      }
      expect(rejected).toBeGreaterThan(10)
      expect(told).toEqual(['lost'])
      await victim.server.start()
      await eventually('what is on it works', async () => (await answer(lost.get('before')))?.value?.value === 'x')
      await eventually('and goes on to', async () => {
        for (let n = 0; n < 10; n++) {
          const outcomes = await Promise.all([answer(lost.get('before')), answer(others.get('before'))])
          if (outcomes.includes(undefined)) return false
        }
        return true
      })
      expect(told).toEqual(['lost', 'restored'])
    } finally {
      for (const one of stop) one()
    }
  }, 60_000)
})
