import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { backendLostEvent, backendRestoredEvent, createBreaker, PortcullisError } from '../src/index.ts'

const TIMEOUT = 1000

/** A server that answers, hangs or refuses, and counts who asks. */
function server() {
  const waiting: { resolve(): void; reject(error: Error): void }[] = []
  return {
    state: 'answers' as 'answers' | 'hangs' | 'refuses',
    asked: 0,
    waiting,
    async call(): Promise<string> {
      this.asked += 1
      if (this.state === 'refuses') throw new TypeError('refused')
      if (this.state === 'answers') return 'answer'
      return new Promise<string>((resolve, reject) => waiting.push({ resolve: () => resolve('late'), reject }))
    },
  }
}

const unavailable = (why: 'late' | 'open') => new PortcullisError(`test.${why}`, why, { status: 503 })

describe('a breaker', () => {
  const events: unknown[] = []
  let stop: (() => void)[]
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
    events.length = 0
    stop = [
      backendLostEvent.subscribe(({ type, data }) => events.push([type, data])),
      backendRestoredEvent.subscribe(({ type, data }) => events.push([type, data])),
    ]
  })
  afterEach(() => {
    vi.useRealTimers()
    for (const one of stop) one()
  })

  const openBreaker = () => createBreaker({ name: 'test', timeout: TIMEOUT, unavailable })

  it('hands on what is answered, and what is thrown', async () => {
    const breaker = createBreaker({ timeout: TIMEOUT, unavailable, isOutage: () => false })
    expect(await breaker.run(async () => 1)).toBe(1)
    for (let n = 0; n < 10; n++) await expect(breaker.run(() => Promise.reject(new RangeError('no')))).rejects.toThrow(RangeError)
    expect(breaker.open).toBe(false)
    expect(events).toEqual([])
  })

  it('lets no call wait longer than its deadline, whatever hangs', async () => {
    const breaker = openBreaker()
    const late = breaker.run(() => new Promise<never>(() => {}))
    const outcome = expect(late).rejects.toMatchObject({ code: 'test.late' })
    await vi.advanceTimersByTimeAsync(TIMEOUT)
    await outcome
  })

  it('opens after three failures in a row, says so once, and fails at once from then on', async () => {
    const breaker = openBreaker()
    const dead = server()
    dead.state = 'refuses'
    for (let n = 0; n < 1000; n++)
      await expect(breaker.run(() => dead.call())).rejects.toThrow(n < 3 ? TypeError : PortcullisError)
    expect(dead.asked).toBe(3)
    expect(breaker.open).toBe(true)
    expect(events).toEqual([['core.backend_lost', { backend: 'test', code: 'TypeError' }]])
  })

  it('counts a call that hangs, whatever errors are no outage', async () => {
    const breaker = createBreaker({ timeout: TIMEOUT, unavailable, isOutage: () => false })
    for (let n = 0; n < 3; n++) {
      const call = breaker.run(() => new Promise<never>(() => {})).catch(() => undefined)
      await vi.advanceTimersByTimeAsync(TIMEOUT)
      await call
    }
    expect(breaker.open).toBe(true)
  })

  it('is not opened by one call that fails among others that do not', async () => {
    const breaker = openBreaker()
    const flaky = server()
    for (let n = 0; n < 300; n++) {
      flaky.state = n % 3 === 0 ? 'answers' : 'refuses'
      await breaker.run(() => flaky.call()).catch(() => undefined)
    }
    expect(breaker.open).toBe(false)
    expect(flaky.asked).toBe(300)
    expect(events).toEqual([])
  })

  it('counts an error that is an answer as a sign of life', async () => {
    const breaker = createBreaker({
      name: 'test',
      timeout: TIMEOUT,
      unavailable,
      isOutage: (error) => error instanceof TypeError,
    })
    const dead = server()
    dead.state = 'refuses'
    for (let n = 0; n < 20; n++) {
      await breaker.run(() => dead.call()).catch(() => undefined)
      await breaker.run(() => Promise.reject(new RangeError('an answer'))).catch(() => undefined)
    }
    expect(breaker.open).toBe(false)
  })

  it('tries once every 250 ms whether it is back, and closes with the first answer', async () => {
    const breaker = openBreaker()
    const dead = server()
    dead.state = 'refuses'
    for (let n = 0; n < 5; n++) await breaker.run(() => dead.call()).catch(() => undefined)
    vi.advanceTimersByTime(250)
    for (let n = 0; n < 5; n++) await breaker.run(() => dead.call()).catch(() => undefined)
    expect(dead.asked).toBe(4)
    dead.state = 'answers'
    await expect(breaker.run(() => dead.call())).rejects.toMatchObject({ code: 'test.open' })
    vi.advanceTimersByTime(250)
    expect(await breaker.run(() => dead.call())).toBe('answer')
    expect(breaker.open).toBe(false)
    expect(await breaker.run(() => dead.call())).toBe('answer')
    expect(events).toEqual([
      ['core.backend_lost', { backend: 'test', code: 'TypeError' }],
      ['core.backend_restored', { backend: 'test', lostFor: 500 }],
    ])
  })

  it('lets those who ask one after another wait once, and not each for a whole deadline', async () => {
    const breaker = openBreaker()
    const frozen = server()
    frozen.state = 'hangs'
    const began = performance.now()
    const waits: number[] = []
    while (performance.now() - began < 20_000) {
      const asked = performance.now()
      const call = breaker.run(() => frozen.call()).catch(() => undefined)
      let over = false
      void call.then(() => {
        over = true
      })
      await vi.advanceTimersByTimeAsync(0)
      while (!over) await vi.advanceTimersByTimeAsync(50)
      waits.push(performance.now() - asked)
      await vi.advanceTimersByTimeAsync(10)
    }
    // After the first three, one in 26 or so: a try of one second, and a quarter of a second without.
    const waited = waits.slice(3).filter((wait) => wait >= TIMEOUT).length
    expect(waits.slice(0, 3).every((wait) => wait >= TIMEOUT)).toBe(true)
    expect(waited).toBeGreaterThan(5)
    expect(waited).toBeLessThan(waits.length / 15)
  })

  it('tries one call at a time, however many ask while it is under way', async () => {
    const breaker = openBreaker()
    const frozen = server()
    frozen.state = 'refuses'
    for (let n = 0; n < 3; n++) await breaker.run(() => frozen.call()).catch(() => undefined)
    frozen.state = 'hangs'
    vi.advanceTimersByTime(250)
    for (let n = 0; n < 50; n++) {
      breaker.run(() => frozen.call()).catch(() => undefined)
      await vi.advanceTimersByTimeAsync(15)
    }
    expect(frozen.asked).toBe(4)
  })

  it('closes when what was given up on is answered at last: a server that was frozen need not be tried for', async () => {
    const breaker = openBreaker()
    const frozen = server()
    frozen.state = 'hangs'
    const calls = Array.from({ length: 10 }, () => breaker.run(() => frozen.call()).catch((error: PortcullisError) => error.code))
    await vi.advanceTimersByTimeAsync(TIMEOUT)
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['test.late']))
    expect(breaker.open).toBe(true)
    for (const { resolve } of frozen.waiting) resolve()
    await Promise.resolve()
    await Promise.resolve()
    expect(breaker.open).toBe(false)
  })

  it('stays open when what was given up on fails at last', async () => {
    const breaker = openBreaker()
    const frozen = server()
    frozen.state = 'hangs'
    const calls = Array.from({ length: 10 }, () => breaker.run(() => frozen.call()).catch(() => undefined))
    await vi.advanceTimersByTimeAsync(TIMEOUT)
    await Promise.all(calls)
    for (const { reject } of frozen.waiting) reject(new TypeError('cut'))
    await vi.advanceTimersByTimeAsync(0)
    expect(breaker.open).toBe(true)
  })

  it('does not pile calls up behind a server that never answers', async () => {
    const breaker = openBreaker()
    const frozen = server()
    frozen.state = 'hangs'
    // An hour, and somebody asks ten times a second.
    for (let n = 0; n < 36_000; n++) {
      breaker.run(() => frozen.call()).catch(() => undefined)
      await vi.advanceTimersByTimeAsync(100)
    }
    // Ten or so before it opened, 64 quickly, and then one every five seconds.
    expect(frozen.waiting.length).toBeLessThan(100 + 3600 / 5)
  })

  it('without a name says nothing: somebody else does', async () => {
    const breaker = createBreaker({ timeout: TIMEOUT, unavailable })
    for (let n = 0; n < 10; n++) await breaker.run(() => Promise.reject(new TypeError('no'))).catch(() => undefined)
    expect(breaker.open).toBe(true)
    expect(events).toEqual([])
  })
})

it('a breaker leaves no timer behind that would keep the process', async () => {
  const breaker = createBreaker({ timeout: 60_000, unavailable })
  const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  await breaker.run(async () => 1)
  await breaker.run(() => Promise.reject(new TypeError('no'))).catch(() => undefined)
  await wait(0)
  expect(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length).toBeLessThanOrEqual(before)
})
