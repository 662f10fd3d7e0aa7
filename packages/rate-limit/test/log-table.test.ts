import { describe, expect, it } from 'vitest'
import { createMemoryRateLimitStore, scopePolicies } from '../src/index.ts'
import { manualClock } from './support.ts'

describe('logs in memory', () => {
  it('have a bound: keys of a strict limit, each with a thousand units at a thousand moments, are kept as few entries, and pass no more', () => {
    const clock = manualClock()
    const store = createMemoryRateLimitStore({ clock, maxKeys: 20 })
    const policies = scopePolicies('t', [{ name: 'p', algorithm: 'strict', quota: 1000, window: 3600 }])
    const passed = new Map<string, number>()
    for (let n = 0; n < 1200; n++) {
      for (let k = 0; k < 20; k++) {
        const key = `k${k}`
        if (store.consume([key], policies, 1).allowed) passed.set(key, (passed.get(key) ?? 0) + 1)
      }
      clock.time += 1
    }
    expect(new Set(passed.values())).toEqual(new Set([1000]))
    expect(store.size).toBe(20)
    // What was put together stays as long as its newest: an hour after the last, all is free.
    clock.time += 3_600_000
    expect(store.consume(['k0'], policies, 1000).allowed).toBe(true)
  })

  it('of a strict limit has four entries a key: what is charged beyond joins the newest, and comes back with it, never sooner', () => {
    const clock = manualClock()
    const start = clock.time
    const store = createMemoryRateLimitStore({ clock, maxKeys: 2 })
    const policies = scopePolicies('t', [{ name: 'p', algorithm: 'strict', quota: 20, window: 1 }])
    const left = (key: string) => store.consume([key], policies, 0).results[0]!.remaining
    const chargeAt = (ms: number, key = 'a') => {
      clock.time = start + ms
      return store.consume([key], policies, 1).allowed
    }
    for (let ms = 0; ms < 10; ms++) expect(chargeAt(ms)).toBe(true)
    // Another key has its first entry all the same.
    expect(chargeAt(10, 'b')).toBe(true)
    const back: number[] = []
    for (let ms = 1000; ms < 1011; ms++) {
      clock.time = start + ms
      back.push(left('a'))
    }
    // Seven by themselves; the eighth, the ninth and the tenth with the tenth.
    expect(back).toEqual([11, 12, 13, 14, 15, 16, 17, 17, 17, 20, 20])
    expect(left('b')).toBe(20)

    // What has gone makes room: beside what is held of the other key, seven are kept by themselves.
    for (let ms = 2000; ms < 2007; ms++) expect(chargeAt(ms)).toBe(true)
    clock.time = start + 3005
    expect(left('a')).toBe(19)
  })

  it('of other algorithms is bounded by its keys, and no window is put together with another', () => {
    const clock = manualClock()
    const store = createMemoryRateLimitStore({ clock, maxKeys: 2 })
    const policies = scopePolicies('t', [{ name: 'p', algorithm: 'sliding', quota: 100, window: 1 }])
    const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    for (const key of keys) expect(store.consume([key], policies, 1).degraded).toBe(!'ab'.includes(key))
    // The other six share one.
    expect(store.consume(['c'], policies, 0).results[0]!.remaining).toBe(94)
    expect(store.consume(['a'], policies, 0).results[0]!.remaining).toBe(99)
    expect(store.size).toBe(2)
    clock.time += 2000
    for (const key of keys) store.consume([key], policies, 0)
    expect(store.consume(['z'], policies, 1)).toMatchObject({ degraded: false, results: [{ remaining: 99 }] })
  })

  it('keeps nothing of a key that units are given back to and that nothing was taken from', () => {
    const store = createMemoryRateLimitStore({ clock: manualClock() })
    const policies = scopePolicies('t', [{ name: 'p', algorithm: 'fixed', quota: 100, window: 1 }])
    store.adjust(['a'], policies, -1)
    expect(store.size).toBe(0)
  })

  it('drops a day of the calendar with its end, and not before', () => {
    const clock = manualClock(Date.parse('2026-11-20T12:00:00Z'))
    const store = createMemoryRateLimitStore({ clock, maxKeys: 1 })
    const policies = scopePolicies('t', [{ name: 'p', algorithm: 'calendar', quota: 2, period: 'day' }])
    const ask = (key: string) => store.consume([key], policies, 1).degraded
    ask('a')
    clock.time = Date.parse('2026-11-20T23:59:59.999Z')
    expect(ask('b')).toBe(true)
    clock.time += 1
    expect(ask('b')).toBe(false)
  })

  it('give back to the moment that a reservation was charged to', () => {
    const clock = manualClock()
    const store = createMemoryRateLimitStore({ clock })
    const policies = scopePolicies('t', [{ name: 'p', algorithm: 'strict', quota: 10, window: 1 }])
    const first = store.consume(['a'], policies, 2)
    clock.time += 500
    store.consume(['a'], policies, 3)
    store.adjust(['a'], policies, -2, first)
    expect(store.consume(['a'], policies, 0).results[0]!.remaining).toBe(7)
    // The first two are back already, and time has nothing of them to give.
    clock.time += 500
    expect(store.consume(['a'], policies, 0).results[0]!.remaining).toBe(7)
  })

  it('of which everything was given back make room for others', () => {
    const store = createMemoryRateLimitStore({ clock: manualClock(), maxKeys: 1 })
    const policies = scopePolicies('t', [{ name: 'p', algorithm: 'fixed', quota: 2, window: 1 }])
    const reserved = store.consume(['a'], policies, 1)
    expect(store.consume(['b'], policies, 0).degraded).toBe(true)
    store.adjust(['a'], policies, -1, reserved)
    expect(store.consume(['b'], policies, 0).degraded).toBe(false)
  })
})
