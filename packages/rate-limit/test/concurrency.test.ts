import { createMemoryStore, decide, facts, open, type Principal, type Reply, settle } from '@portcullis/core'
import { parseList } from 'structured-headers'
import { describe, expect, it } from 'vitest'
import {
  type AcquiredSeat,
  byAddress,
  byPrincipal,
  type ConcurrencyOptions,
  concurrencyRefused,
  createConcurrencyLimit,
  everybody,
  type LimitConcurrencyOptions,
  limitConcurrency,
} from '../src/index.ts'
import { LocalSeats } from '../src/seat.ts'
import { caught, manualClock, request } from './support.ts'

function header(reply: Reply, name: string): string | undefined {
  return reply.headers?.find(([key]) => key === name)?.[1]
}

function take(limit: ReturnType<typeof createConcurrencyLimit>, key = 'k'): AcquiredSeat {
  const attempt = limit.acquire(key)
  if (attempt instanceof Promise || !attempt.acquired) throw new Error('no seat')
  return attempt
}

describe('a concurrency limit of one process', () => {
  it('answers at once, with as many seats as there are', () => {
    const limit = createConcurrencyLimit({ max: 3 })
    const answers = Array.from({ length: 200 }, () => limit.acquire('k'))
    expect(answers.every((answer) => !(answer instanceof Promise))).toBe(true)
    expect(answers.filter((answer) => !(answer instanceof Promise) && answer.acquired)).toHaveLength(3)
  })

  it('has a seat again when one is given back, once however often that is said', () => {
    const limit = createConcurrencyLimit({ max: 2 })
    const first = take(limit)
    take(limit)
    for (let n = 0; n < 5; n++) void first.release()
    take(limit)
    expect(limit.acquire('k')).toMatchObject({ acquired: false })
    expect(take(limit, 'another').degraded).toBe(false)
  })

  it('remembers no key longer than somebody has a seat of it', () => {
    const seats = new LocalSeats(1, false)
    const taken = Array.from({ length: 5_000 }, (_, n) => seats.take(`junk ${n}`))
    expect(seats.size).toBe(5_000)
    for (const seat of taken) void seat?.release()
    expect(seats.size).toBe(0)
  })

  it('estimates when to come again by how long seats were held, and never says 0', () => {
    const clock = manualClock()
    const limit = createConcurrencyLimit({ max: 2, clock })
    take(limit)
    const seat = take(limit)
    expect(limit.acquire('k')).toMatchObject({ retryAfter: 1 })
    clock.time += 9_000
    void seat.release()
    take(limit)
    // Two seats, held nine seconds each: one every 4.5.
    expect(limit.acquire('k')).toMatchObject({ acquired: false, retryAfter: 5 })
  })

  it('does not tell anybody to wait for longer than an hour', () => {
    const clock = manualClock()
    const limit = createConcurrencyLimit({ max: 1, clock })
    const seat = take(limit)
    clock.time += 86_400_000
    void seat.release()
    take(limit)
    expect(limit.acquire('k')).toMatchObject({ retryAfter: 3_600 })
  })
})

describe('waiting for a seat', () => {
  const waiting = (options: Partial<ConcurrencyOptions> = {}) =>
    createConcurrencyLimit({ max: 1, wait: { queue: 3, timeout: 60 }, ...options })

  it('is served in the order of coming, and nobody who comes later overtakes', async () => {
    const limit = waiting()
    const order: string[] = []
    const first = take(limit)
    const come = (name: string) =>
      Promise.resolve(limit.acquire('k')).then((attempt) => {
        order.push(name)
        if (attempt.acquired) return attempt.release()
      })
    const all = [come('a'), come('b'), come('c')]
    void first.release()
    await Promise.all(all)
    expect(order).toEqual(['a', 'b', 'c'])
  })

  it('is for so many and no more', async () => {
    const limit = waiting()
    const seat = take(limit)
    const waits = [limit.acquire('k'), limit.acquire('k'), limit.acquire('k')]
    expect(limit.acquire('k')).toMatchObject({ acquired: false, reason: { code: 'rate_limit.queue_full' } })
    expect(waits.every((wait) => wait instanceof Promise)).toBe(true)
    void seat.release()
    for (const wait of waits) await ((await wait) as AcquiredSeat).release()
  })

  it('ends when its time is over, and the place is another’s', async () => {
    const limit = waiting({ wait: { queue: 1, timeout: 0.01 } })
    const seat = take(limit)
    for (let n = 0; n < 2; n++) {
      expect(await limit.acquire('k')).toMatchObject({ acquired: false, reason: { code: 'rate_limit.wait_timeout' } })
    }
    void seat.release()
    take(limit)
  })

  it('ends when the client leaves, so that no seat goes to who is not there', async () => {
    const limit = waiting()
    const seat = take(limit)
    const left = new AbortController()
    const wait = limit.acquire('k', { signal: left.signal })
    const next = limit.acquire('k')
    left.abort()
    expect(await wait).toMatchObject({ acquired: false, reason: { code: 'rate_limit.client_left' } })
    void seat.release()
    expect(await next).toMatchObject({ acquired: true })
  })

  it('does not begin for a client that has left already', async () => {
    const limit = waiting()
    take(limit)
    expect(await limit.acquire('k', { signal: AbortSignal.abort() })).toMatchObject({ acquired: false })
  })

  it('never has more at work than there are seats, however they come and go', async () => {
    const limit = createConcurrencyLimit({ max: 5, wait: { queue: 1_000, timeout: 60 } })
    let [working, most] = [0, 0]
    const work = async (n: number) => {
      const attempt = await limit.acquire('k')
      if (!attempt.acquired) throw new Error('no seat')
      working += 1
      most = Math.max(most, working)
      for (let turn = 0; turn <= n % 7; turn++) await new Promise(setImmediate)
      working -= 1
      await attempt.release()
    }
    await Promise.all(Array.from({ length: 500 }, (_, n) => work(n)))
    expect(most).toBe(5)
    expect(working).toBe(0)
  })

  it('sees what another process gave back', async () => {
    const store = createMemoryStore()
    const options = { store, secret: 'more than sixteen bytes', wait: { queue: 5, timeout: 60 } }
    const [here, there] = [waiting(options), waiting(options)]
    const seat = (await here.acquire('k')) as AcquiredSeat
    const wait = there.acquire('k')
    await new Promise(setImmediate)
    await seat.release()
    expect(await wait).toMatchObject({ acquired: true })
  })

  it('is before whoever comes when another process has just given a seat back', async () => {
    const store = createMemoryStore()
    const options = { store, secret: 'more than sixteen bytes', wait: { queue: 5, timeout: 60 } }
    const [here, there] = [waiting(options), waiting(options)]
    const seat = (await here.acquire('k')) as AcquiredSeat
    const order: string[] = []
    const come = async (name: string) => {
      const attempt = (await there.acquire('k')) as AcquiredSeat
      order.push(name)
      await attempt.release()
    }
    const first = come('who waits')
    await new Promise(setImmediate)
    await seat.release()
    await Promise.all([first, come('who comes')])
    expect(order).toEqual(['who waits', 'who comes'])
  })

  it('hands a leased seat on in its own process, and gives it back when nobody is left', async () => {
    const store = createMemoryStore()
    const options = { store, secret: 'more than sixteen bytes', wait: { queue: 5, timeout: 60 } }
    const [here, there] = [waiting(options), createConcurrencyLimit({ ...options, max: 1, wait: { queue: 1, timeout: 0.01 } })]
    let seat = (await here.acquire('k')) as AcquiredSeat
    const waits = [here.acquire('k'), here.acquire('k')]
    await new Promise(setImmediate)
    for (const wait of waits) {
      void seat.release()
      seat = (await wait) as AcquiredSeat
      expect(await there.acquire('k')).toMatchObject({ acquired: false })
    }
    await seat.release()
    expect(await there.acquire('k')).toMatchObject({ acquired: true })
  })
})

describe('limitConcurrency', () => {
  const guard = (options: Partial<LimitConcurrencyOptions> = {}) => limitConcurrency({ max: 1, key: byAddress(), ...options })

  const refuse = (asked: ReturnType<typeof guard>, req = request('192.0.2.1')): Reply => {
    const decision = asked(req)
    if (decision instanceof Promise || decision.type !== 'reply') throw new Error('not refused')
    return decision.reply
  }

  it.each([
    ['the answer is out', { status: 200, completed: true }],
    ['the client has left', { status: undefined, completed: false }],
  ])('has the seat back when %s', async (_, outcome) => {
    const one = guard()
    const req = request('192.0.2.1')
    expect(await decide(req, [one], open('test'))).toMatchObject({ type: 'continue' })
    expect(facts(req, one)).toMatchObject({ degraded: false })
    expect(facts(req, one).signal.aborted).toBe(false)
    expect(await decide(request('192.0.2.1'), [one], open('test'))).toMatchObject({ type: 'reply' })
    settle(req, outcome)
    expect(await decide(request('192.0.2.1'), [one], open('test'))).toMatchObject({ type: 'continue' })
  })

  it('has the seat back of a client that left while it was given out', async () => {
    const store = createMemoryStore()
    const one = guard({ store, secret: 'more than sixteen bytes' })
    const req = request('192.0.2.1')
    const late = decide(req, [one], open('test'))
    settle(req, { status: undefined, completed: false })
    expect(await late).toMatchObject({ reply: { status: 499 } })
    await new Promise(setImmediate)
    expect(await one(request('192.0.2.1'))).toMatchObject({ type: 'continue' })
  })

  it('ends the wait of a client that leaves', async () => {
    const one = guard({ wait: { queue: 1, timeout: 60 } })
    void one(request('192.0.2.1'))
    const left = new AbortController()
    const wait = one({ ...request('192.0.2.1'), signal: left.signal })
    left.abort()
    expect(await wait).toMatchObject({ type: 'reply', cause: { code: 'rate_limit.client_left' } })
  })

  it('answers 429 quota-exceeded to a caller who has too much under way', () => {
    const one = guard({ name: 'exports' })
    void one(request('192.0.2.1'))
    const reply = refuse(one)
    expect(reply.status).toBe(429)
    expect(JSON.parse(String(reply.body))).toEqual({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Request cannot be satisfied as assigned quota has been exceeded',
      status: 429,
      'violated-policies': ['exports'],
    })
    expect(header(reply, 'Retry-After')).toBe('1')
    expect(header(reply, 'Cache-Control')).toBe('no-store')
  })

  it('answers 503 temporary-reduced-capacity where all callers share the seats', () => {
    const one = guard({ key: everybody })
    void one(request('192.0.2.1'))
    const reply = refuse(one, request('192.0.2.9'))
    expect(reply.status).toBe(503)
    expect(JSON.parse(String(reply.body))).toMatchObject({
      type: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
      status: 503,
    })
    expect(header(reply, 'Retry-After')).toBe('1')
  })

  it('announces its policy in concurrent requests (draft-ietf-httpapi-ratelimit-headers-10 §3.1), unless told not to', () => {
    const decision = guard({ name: 'exports', max: 2 })(request('192.0.2.1'))
    if (decision instanceof Promise || decision.type !== 'continue') throw new Error('refused')
    const parameters = new Map<string, unknown>([
      ['q', 2],
      ['qu', 'concurrent-requests'],
    ])
    expect(parseList(decision.headers!.find(([name]) => name === 'RateLimit-Policy')![1])).toEqual([['exports', parameters]])
    expect(guard({ headers: 'none' })(request('192.0.2.1'))).toMatchObject({ headers: [] })
  })

  it('does not count a request without a key with all others', async () => {
    expect(await caught(() => guard({ key: byPrincipal() })(request('192.0.2.1')))).toMatchObject({
      code: 'rate_limit.key_missing',
    })
    expect(await caught(() => createConcurrencyLimit({ max: 1 }).acquire(''))).toMatchObject({ code: 'rate_limit.key_missing' })
  })

  it('says in an event what refused, and never whom', () => {
    const heard: unknown[] = []
    const stop = concurrencyRefused.subscribe(({ data }) => heard.push(data))
    const ada: Principal = { subject: 'ada', kind: 'user', roles: [] }
    const one = guard({ name: 'exports', key: byPrincipal() })
    void one(request('192.0.2.1', ada))
    refuse(one, request('192.0.2.1', ada))
    stop()
    expect(heard).toEqual([{ limiter: 'exports', keyKind: 'principal', reason: 'full' }])
  })

  it.each<[string, Partial<LimitConcurrencyOptions>]>([
    ['no seat at all', { max: 0 }],
    ['half a seat', { max: 1.5 }],
    ['a name that can’t be shown', { name: 'a b' }],
    ['a lease of no time', { lease: 0 }],
    ['a lease that is no number', { lease: Number.NaN }],
    ['a line for nobody', { wait: { queue: 0, timeout: 1 } }],
    ['a wait without an end', { wait: { queue: 1, timeout: Number.POSITIVE_INFINITY } }],
    ['no processes', { processes: 0 }],
    ['a word misspelled', { whenUnavailable: 'opened' as 'open' }],
  ])('refuses %s when it is declared', async (_, options) => {
    expect(await caught(() => guard(options))).toMatchObject({ code: 'rate_limit.options_invalid' })
  })
})
