import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Calendar, type CalendarPeriod } from '../src/calendar.ts'
import { byAddress, createMemoryRateLimitStore, limit, type Policy, scopePolicies } from '../src/index.ts'
import { manualClock, request } from './support.ts'

const at = (text: string): number => Date.parse(text)

/** Where the clocks of the world do what one does not expect. */
const KNOWN: readonly [what: string, period: CalendarPeriod, zone: string, moment: string, from: string, until: string][] = [
  ['a day of 23 hours', 'day', 'Europe/Berlin', '2026-03-29T12:00Z', '2026-03-28T23:00Z', '2026-03-29T22:00Z'],
  ['a day of 25 hours', 'day', 'Europe/Berlin', '2026-10-25T12:00Z', '2026-10-24T22:00Z', '2026-10-25T23:00Z'],
  ['a day that has no midnight', 'day', 'America/Sao_Paulo', '2018-11-04T12:00Z', '2018-11-04T03:00Z', '2018-11-05T02:00Z'],
  ['the day before one that was left out', 'day', 'Pacific/Apia', '2011-12-30T00:00Z', '2011-12-29T10:00Z', '2011-12-30T10:00Z'],
  ['an offset of 5:45', 'day', 'Asia/Kathmandu', '2026-01-01T00:00Z', '2025-12-31T18:15Z', '2026-01-01T18:15Z'],
  ['an hour where the offset is 5:45', 'hour', 'Asia/Kathmandu', '2026-01-01T00:20Z', '2026-01-01T00:15Z', '2026-01-01T01:15Z'],
  [
    'an hour of which a half is left',
    'hour',
    'Australia/Lord_Howe',
    '2026-10-03T15:40Z',
    '2026-10-03T15:30Z',
    '2026-10-03T16:00Z',
  ],
  [
    'an hour of which a half is there twice',
    'hour',
    'Australia/Lord_Howe',
    '2026-04-04T15:10Z',
    '2026-04-04T15:00Z',
    '2026-04-04T15:30Z',
  ],
  ['a week with 169 hours', 'week', 'Europe/Berlin', '2026-10-25T12:00Z', '2026-10-18T22:00Z', '2026-10-25T23:00Z'],
  ['a month with 745 hours', 'month', 'Europe/Berlin', '2026-10-15T00:00Z', '2026-09-30T22:00Z', '2026-10-31T23:00Z'],
  ['a leap year', 'year', 'UTC', '2028-06-01T00:00Z', '2028-01-01T00:00Z', '2029-01-01T00:00Z'],
  ['a week with 167 hours', 'week', 'Europe/Berlin', '2026-03-29T21:59Z', '2026-03-22T23:00Z', '2026-03-29T22:00Z'],
  ['a month, its last millisecond', 'month', 'UTC', '2028-02-29T23:59:59.999Z', '2028-02-01T00:00Z', '2028-03-01T00:00Z'],
  ['a year', 'year', 'America/New_York', '2026-07-01T00:00Z', '2026-01-01T05:00Z', '2027-01-01T05:00Z'],
  ['the end of December', 'month', 'UTC', '2026-12-31T23:59Z', '2026-12-01T00:00Z', '2027-01-01T00:00Z'],
]

describe('periods of the calendar', () => {
  it.each(KNOWN)('%s', (_, period, zone, moment, from, until) => {
    const calendar = new Calendar(period, zone)
    expect(calendar.at(at(moment))).toEqual({ from: at(from), until: at(until) })
    expect(calendar.at(at(until) - 1)).toEqual({ from: at(from), until: at(until) })
    expect(calendar.at(at(until)).from).toBe(at(until))
    const [policy] = scopePolicies('t', [{ name: 'p', algorithm: 'calendar', quota: 1, period, timeZone: zone }])
    expect((at(until) - at(from)) / 1000).toBeLessThanOrEqual(policy!.window)
  })

  it('hold the moment that was asked for, follow one another without a gap, and are no longer than is announced', () => {
    const zone = fc.constantFrom(
      'UTC',
      'Europe/Berlin',
      'America/New_York',
      'Asia/Kathmandu',
      'Pacific/Auckland',
      'America/Sao_Paulo',
      'Australia/Lord_Howe',
    )
    const period = fc.constantFrom<CalendarPeriod>('hour', 'day', 'week', 'month', 'year')
    const moment = fc.integer({ min: at('1990-01-01'), max: at('2090-01-01') })
    fc.assert(
      fc.property(period, zone, moment, (of, where, now) => {
        const calendar = new Calendar(of, where)
        const { from, until } = calendar.at(now)
        expect(from).toBeLessThanOrEqual(now)
        expect(until).toBeGreaterThan(now)
        expect(calendar.at(until).from).toBe(until)
        expect(calendar.at(from - 1).until).toBe(from)
        const [policy] = scopePolicies('t', [{ name: 'p', algorithm: 'calendar', quota: 1, period: of, timeZone: where }])
        expect((until - from) / 1000).toBeLessThanOrEqual(policy!.window)
      }),
      { numRuns: 300 },
    )
  })
})

describe('a quota of the calendar', () => {
  const day: Policy = { name: 'daily', algorithm: 'calendar', quota: 3, period: 'day', timeZone: 'Europe/Berlin' }

  it('begins anew at midnight where its people live, and says until when it is used up', () => {
    const clock = manualClock(at('2026-10-25T20:00Z'))
    const store = createMemoryRateLimitStore({ clock })
    const policies = scopePolicies('t', [day])
    for (let n = 0; n < 3; n++) expect(store.consume(['k'], policies, 1).allowed).toBe(true)
    const refused = store.consume(['k'], policies, 1)
    expect(refused).toMatchObject({
      allowed: false,
      results: [{ remaining: 0, retryAt: at('2026-10-25T23:00Z'), resetAt: at('2026-10-25T23:00Z') }],
    })
    clock.time = at('2026-10-25T23:00Z') - 1
    expect(store.consume(['k'], policies, 1).allowed).toBe(false)
    clock.time += 1
    expect(store.consume(['k'], policies, 1)).toMatchObject({ allowed: true, results: [{ remaining: 2 }] })
  })

  it('is not granted a second time by a clock that goes back over midnight', () => {
    const clock = manualClock(at('2026-10-25T23:00Z'))
    const store = createMemoryRateLimitStore({ clock })
    const policies = scopePolicies('t', [day])
    const ask = (): boolean => store.consume(['k'], policies, 1).allowed
    expect([ask(), ask(), ask(), ask()]).toEqual([true, true, true, false])
    clock.time -= 1000
    expect(ask()).toBe(false)
  })

  it('gives back to its own day alone', () => {
    const clock = manualClock(at('2026-10-25T20:00Z'))
    const store = createMemoryRateLimitStore({ clock })
    const policies = scopePolicies('t', [day])
    const reserved = store.consume(['k'], policies, 2)
    store.adjust(['k'], policies, -1, reserved)
    expect(store.consume(['k'], policies, 0).results[0]!.remaining).toBe(2)
    clock.time = at('2026-10-26T08:00Z')
    store.consume(['k'], policies, 2)
    store.adjust(['k'], policies, -1, reserved)
    expect(store.consume(['k'], policies, 0).results[0]!.remaining).toBe(1)
  })

  it('is announced without a length in seconds, which no month has, and with the rest of the day', async () => {
    const clock = manualClock(at('2026-10-25T22:59:30Z'))
    const decision = await limit({ policies: [day], key: byAddress(), clock })(request('203.0.113.1'))
    expect(decision.type === 'continue' && decision.headers).toEqual([
      ['RateLimit-Policy', '"daily";q=3'],
      ['RateLimit', '"daily";r=2;t=30'],
    ])
  })
})

describe('declaring', () => {
  it.each<[string, object]>([
    ['an algorithm that does not exist', { algorithm: 'leaky', quota: 1, window: 1 }],
    ['a burst of a window', { algorithm: 'fixed', quota: 2, window: 1, burst: 1 }],
    ['a strict limit that would remember a million moments', { algorithm: 'strict', quota: 1001, window: 1 }],
    ['a calendar without a period', { algorithm: 'calendar', quota: 1 }],
    ['a calendar with a window', { algorithm: 'calendar', quota: 1, period: 'day', window: 5 }],
    ['a time zone that does not exist', { algorithm: 'calendar', quota: 1, period: 'day', timeZone: 'Mars/Olympus' }],
    ['a period of the object prototype', { algorithm: 'calendar', quota: 1, period: 'constructor' }],
    ['a window that is missing', { algorithm: 'sliding', quota: 1 }],
  ])('%s is refused', (_, policy) => {
    expect(() => scopePolicies('t', [{ name: 'p', ...policy } as Policy])).toThrow(
      expect.objectContaining({ code: 'rate_limit.policy_invalid' }),
    )
  })

  it('one name for two algorithms is refused', () => {
    const store = createMemoryRateLimitStore()
    store.declare(scopePolicies('t', [{ name: 'p', quota: 1, window: 1 }]))
    expect(() => store.declare(scopePolicies('t', [{ name: 'p', algorithm: 'fixed', quota: 1, window: 1 }]))).toThrow(
      expect.objectContaining({ code: 'rate_limit.policy_conflict' }),
    )
  })
})
