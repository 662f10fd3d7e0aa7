import type { Collection } from '@portcullis/core'
import { scopePolicies } from '@portcullis/rate-limit'
import { describe, expect, it } from 'vitest'
import { createRedisStore, type RedisClient, type RedisStoreError } from '../src/index.ts'
import { createRedisRateLimitStore } from '../src/rate-limit.ts'

const secret = 'a secret of at least 16 bytes'
const policies = scopePolicies('a', [{ name: 'p', quota: 10, window: 600 }])

async function outcome<T>(work: T | Promise<T>): Promise<T | string> {
  try {
    return await work
  } catch (error) {
    return (error as RedisStoreError).code
  }
}

describe('a client that refuses', () => {
  const replyError = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' })
  /** Answers `GET` with each error in turn, then with nothing; anything else as a store that is well. */
  function failing(...errors: readonly Error[]): { client: RedisClient; asked: string[] } {
    const asked: string[] = []
    const left = [...errors]
    const client: RedisClient = {
      async call(command) {
        if (command === 'EVALSHA' && asked.length === 0) return '1'
        asked.push(command)
        const error = left.shift()
        if (error !== undefined) throw error
        return null
      },
    }
    return { client, asked }
  }
  const open = (client: RedisClient): Collection<string> => {
    return createRedisStore({ client }).collection<string>({ name: 'a.b' })
  }

  it.each([
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'CLUSTERDOWN The cluster is down',
    'CLUSTERDOWN Hash slot not served',
    'LOADING Redis is loading the dataset in memory',
    'MASTERDOWN Link with MASTER is down',
    'BUSY Redis is busy running a script.',
    'ERR Script attempted to access a non local key in a cluster node script: 1f, on @user_script:3.',
    'ERR Error running script (call to f_1f): @user_script:3: @user_script: 3: -TRYAGAIN Multiple keys request',
  ])('with %s is asked again for every verb: nothing was done', async (message) => {
    for (const verb of ['get', 'take'] as const) {
      const { client, asked } = failing(replyError(message), replyError(message))
      expect(await outcome<unknown>(open(client)[verb]('a'))).toBeUndefined()
      expect(asked).toHaveLength(3)
    }
  })

  it('because the connection was lost is asked again to read, and not to take, which may have been done', async () => {
    for (const message of [
      'Connection is closed.',
      'Reached the max retries per request limit (which is 0).',
      'read ECONNRESET',
    ]) {
      const reading = failing(new Error(message))
      expect(await outcome(open(reading.client).get('a'))).toBeUndefined()
      expect(reading.asked).toHaveLength(2)
      const taking = failing(new Error(message))
      expect(await outcome(open(taking.client).take('a'))).toBe('store_redis.unavailable')
      expect(taking.asked).toHaveLength(1)
    }
  })

  it('because it has no connection yet, and keeps no queue, is asked again for every verb', async () => {
    const { client, asked } = failing(new Error("Stream isn't writeable and enableOfflineQueue options is false"))
    expect(await outcome(open(client).take('a'))).toBeUndefined()
    expect(asked).toHaveLength(2)
  })

  it.each([
    ["OOM command not allowed when used memory > 'maxmemory'.", 'store_redis.full'],
    ['ERR Error running script (call to f_1f): @user_script:9: @user_script: 9: -OOM command not allowed', 'store_redis.full'],
    ["READONLY You can't write against a read only replica.", 'store_redis.read_only'],
    ['NOREPLICAS Not enough good replicas to write.', 'store_redis.read_only'],
    ['MISCONF Redis is configured to save RDB snapshots, but is unable to.', 'store_redis.read_only'],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'store_redis.failed'],
    ["NOPERM this user has no permissions to run the 'getdel' command", 'store_redis.failed'],
  ])('with %s is not asked again: %s', async (message, code) => {
    const { client, asked } = failing(replyError(message))
    const error: RedisStoreError = await open(client)
      .take('secret-id')
      .then(
        () => expect.fail('it was taken'),
        (reason) => reason,
      )
    expect(error).toMatchObject({ code, status: 503, message: expect.not.stringContaining('secret-id') })
    expect(asked).toHaveLength(1)
  })

  it('goes on refusing, and is asked until the deadline, with pauses that grow and are not even', async () => {
    const { client, asked } = failing(...Array.from({ length: 1000 }, () => replyError('TRYAGAIN Multiple keys request')))
    const begun = performance.now()
    expect(await outcome(open(client).take('a'))).toBe('store_redis.unavailable')
    expect(performance.now() - begun).toBeLessThan(2000)
    expect(asked.length).toBeGreaterThanOrEqual(3)
    expect(asked.length).toBeLessThan(15)
  })

  it('answers what no command answers: that is an error with a code, and no value', async () => {
    for (const reply of [
      1,
      true,
      [],
      {},
      '',
      'x',
      '1\0',
      '1\0\0',
      '1\0\0user',
      '1\0\0user\0k',
      '1\0\0\0not json',
      '1\0\0user\0k\0\0{',
    ]) {
      const collection = open({ call: async (command) => (command === 'EVALSHA' ? '1' : reply) })
      expect(await outcome(collection.get('a')), JSON.stringify(reply)).toBe('store_redis.reply_invalid')
    }
    for (const reply of [null, '1', [], ['1'], ['1', 'x', 'y'], ['0', '1', 'nan']]) {
      const limits = createRedisRateLimitStore({ client: { call: async () => reply }, secret })
      expect(await outcome(limits.consume(['k'], policies, 1)), JSON.stringify(reply)).toBe('store_redis.reply_invalid')
    }
  })
})

describe('options', () => {
  const client: RedisClient = { call: async () => null }
  it.each([
    ['no client', { client: undefined }],
    ['a client without call', { client: {} }],
    ['an empty prefix', { client, prefix: '' }],
    ['a prefix with braces, which would be the hash tag', { client, prefix: 'a{b}' }],
    ['no deadline', { client, timeout: Number.POSITIVE_INFINITY }],
    ['a name that is none', { client, name: '' }],
  ])('%s is refused', (_what, options) => {
    const refused = expect.objectContaining({ code: 'store_redis.options_invalid' })
    expect(() => createRedisStore(options as any)).toThrow(refused)
    expect(() => createRedisRateLimitStore({ secret, ...options } as any)).toThrow(refused)
  })

  it('partitions are a whole number from 1 to 1024', () => {
    for (const partitions of [0, 1.5, 1025, Number.NaN, '4' as any]) {
      expect(() => createRedisStore({ client, partitions })).toThrow(
        expect.objectContaining({ code: 'store_redis.options_invalid' }),
      )
    }
  })

  it('a secret that is too short is refused, and so is a scope that is declared with other numbers', () => {
    const short = () => createRedisRateLimitStore({ client, secret: 'short' })
    expect(short).toThrow(expect.objectContaining({ code: 'rate_limit.options_invalid' }))
    const limits = createRedisRateLimitStore({ client, secret })
    limits.declare?.(policies)
    limits.declare?.(scopePolicies('a', [{ name: 'p', quota: 10, window: 600 }]))
    const other = scopePolicies('a', [{ name: 'p', quota: 11, window: 600 }])
    expect(() => limits.declare?.(other)).toThrow(expect.objectContaining({ code: 'rate_limit.policy_conflict' }))
  })
})
