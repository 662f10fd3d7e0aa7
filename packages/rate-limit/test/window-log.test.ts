import { describe, expect, it } from 'vitest'
import { type Policy, scopePolicies } from '../src/index.ts'
import {
  charge,
  giveBack,
  type LogMeter,
  liveLog,
  logFound,
  logLets,
  meterOf,
  reservedStart,
  verdictOf,
} from '../src/store-kit.ts'

describe('a log, as stores on servers keep it', () => {
  const meter = (p: Policy): LogMeter => {
    const made = meterOf(scopePolicies('t', [p])[0]!)
    if (made.kind !== 'log') throw new Error('no log')
    return made
  }
  const strict = meter({ name: 'p', algorithm: 'strict', quota: 10, window: 1 })
  const fixed = meter({ name: 'p', algorithm: 'fixed', quota: 10, window: 1 })
  const sliding = meter({ name: 'p', algorithm: 'sliding', quota: 10, window: 1 })
  const hour = meter({ name: 'p', algorithm: 'calendar', quota: 10, period: 'hour' })
  const day = meter({ name: 'p', algorithm: 'calendar', quota: 10, period: 'day' })
  const log = (...entries: [start: number, units: number][]) => entries.map(([start, units]) => ({ start, units }))

  it('stands still at its newest entry for a clock that is behind it', () => {
    for (const one of [strict, fixed, sliding]) {
      expect(liveLog(one, log([4000, 1], [5000, 3]), { now: 4500 })).toMatchObject({ time: 5000, start: 5000 })
    }
    // What had gone by the time of the newest stays gone.
    expect(liveLog(strict, log([4000, 1], [5000, 3]), { now: 4500 }).entries).toEqual(log([5000, 3]))
  })

  it('of a calendar goes on in the period that another clock has begun', () => {
    const [noon, one] = [12 * 3_600_000, 13 * 3_600_000]
    const behind = liveLog(hour, log([one, 3]), { now: one - 5, period: { from: noon, until: one } })
    expect(behind).toEqual({ entries: log([one, 3]), time: one, start: one })
    expect(liveLog(hour, log([noon, 3]), { now: one, period: { from: one, until: one + 3_600_000 } })).toMatchObject({
      entries: [],
      start: one,
    })
  })

  it('lets a cost pass that fills it, and not one more', () => {
    expect([3, 4].map((cost) => logLets(strict, liveLog(strict, log([4500, 7]), { now: 5000 }), cost))).toEqual([true, false])
    // A quarter of the window before has faded: of eight units, six count.
    expect([4, 5].map((cost) => logLets(sliding, liveLog(sliding, log([4000, 8]), { now: 5250 }), cost))).toEqual([true, false])
  })

  it('is charged in one entry for a moment, a window or a period', () => {
    expect(charge(liveLog(strict, log([5000, 3]), { now: 5000 }), 2)).toEqual(log([5000, 5]))
    expect(charge(liveLog(strict, log([5000, 3]), { now: 5001 }), 2)).toEqual(log([5000, 3], [5001, 2]))
    expect(charge(liveLog(fixed, log([4321, 3]), { now: 5320 }), 2)).toEqual(log([4321, 5]))
    expect(charge(liveLog(fixed, log([4321, 3]), { now: 5321 }), 2)).toEqual(log([5321, 2]))
    expect(charge(liveLog(sliding, log([4000, 3]), { now: 5321 }), 2)).toEqual(log([4000, 3], [5000, 2]))
  })

  it('gives back from one entry where that is known, otherwise from the newest ones, and nothing that is not there', () => {
    const live = liveLog(strict, log([4200, 2], [4500, 3], [4900, 4]), { now: 5000 })
    expect(giveBack(live, 1, 4500)).toEqual(log([4200, 2], [4500, 2], [4900, 4]))
    expect(giveBack(live, 9, 4500)).toEqual(log([4200, 2], [4900, 4]))
    expect(giveBack(live, 9, 4400)).toEqual(live.entries)
    expect(giveBack(live, 5, undefined)).toEqual(log([4200, 2], [4500, 2]))
    expect(giveBack(live, 99, undefined)).toEqual([])
  })

  it('counts the window before as fading from its end on', () => {
    expect(logFound(sliding, liveLog(sliding, log([4000, 8]), { now: 4999 }), 1, 0)).toMatchObject({ units: 8, faded: 0 })
    expect(logFound(sliding, liveLog(sliding, log([4000, 8]), { now: 5000 }), 1, 0)).toMatchObject({ units: 0, faded: 8 })
    expect(liveLog(sliding, log([4000, 8]), { now: 6000 }).entries).toEqual([])
  })

  it('of a strict limit says which entry makes room, that of this very check among them', () => {
    const live = liveLog(strict, log([4200, 2], [4500, 3]), { now: 5000 })
    const freed = (cost: number, charged: number): number => logFound(strict, live, cost, charged).freed
    expect([freed(5, 0), freed(6, 0), freed(7, 0), freed(8, 0), freed(11, 0)]).toEqual([0, 4200, 4200, 4500, 0])
    expect([freed(2, 2), freed(4, 4), freed(5, 5)]).toEqual([0, 4500, 4500])
    expect(logFound(strict, liveLog(strict, log([4200, 2]), { now: 5000 }), 8, 8).freed).toBe(5000)
  })

  it('tells by the verdict where a reservation went', () => {
    const result = { policy: 'p', allowed: true, remaining: 0, retryAt: 0 }
    expect(reservedStart(strict, { ...result, resetAt: 6000 })).toBe(5000)
    expect(reservedStart(sliding, { ...result, resetAt: 6000 })).toBe(4000)
    expect(reservedStart(hour, { ...result, resetAt: 13 * 3_600_000 })).toBe(12 * 3_600_000)
    // A meter's life is that of the longest day, of 25 hours.
    expect(reservedStart(day, { ...result, resetAt: 48 * 3_600_000 })).toBe(24 * 3_600_000)
  })

  it.each<[string, LogMeter, number, number]>([
    ['strict', strict, 5000, 6000],
    ['fixed', fixed, 5000, 6000],
    ['sliding', sliding, 5000, 7000],
  ])('answers a clock that is behind it as one that stands still: %s', (_, one, last, resetAt) => {
    const policy = scopePolicies('t', [{ name: 'p', quota: 10, window: 1 }])[0]!
    const found = { policy, meter: one, log: { last, units: 9, faded: 0, freed: last } }
    expect(verdictOf([found], last - 700, 1).results).toEqual([
      { policy: 'p', allowed: true, remaining: 0, retryAt: one === sliding ? 6100 : 6000, resetAt },
    ])
  })

  it('of a calendar charges what comes late to the period that has begun, and says when that ends', () => {
    const policy = scopePolicies('t', [{ name: 'p', quota: 10, window: 1 }])[0]!
    const [noon, one] = [12 * 3_600_000, 13 * 3_600_000]
    const found = { policy, meter: hour, log: { last: one, units: 2, faded: 0, freed: 0 }, from: noon }
    expect(verdictOf([found], one - 5, 1).results[0]).toMatchObject({ remaining: 7, resetAt: one + 3_600_000 })
  })

  it('does not say a millisecond too soon when what fades lets a cost pass, where doubles round so', () => {
    const [quota, window] = [390_842_445, 15_528_314_018]
    const policy = scopePolicies('t', [{ name: 'p', algorithm: 'sliding', quota, window: window / 1000 }])[0]!
    const long = meter({ name: 'p', algorithm: 'sliding', quota, window: window / 1000 })
    const before = 1_800_000_000_000 - (1_800_000_000_000 % window)
    const last = before + window
    const entries = log([before, 301_799_021], [last, 348_989_102])
    const found = { policy, meter: long, log: logFound(long, liveLog(long, entries, { now: last }), 1, 0) }
    const { retryAt } = verdictOf([found], last, 1).results[0]!
    expect([-1, 0].map((ms) => logLets(long, liveLog(long, entries, { now: retryAt + ms }), 1))).toEqual([false, true])
  })

  it('calls no unit left that is not whole', () => {
    const policy = scopePolicies('t', [{ name: 'p', quota: 10, window: 1 }])[0]!
    const found = { policy, meter: sliding, log: { last: 5000, units: 2, faded: 7, freed: 0 } }
    const left = (now: number) => verdictOf([found], now, 0).results[0]!.remaining
    // Of seven units 6.006 and 5.999 count.
    expect([left(5142), left(5143)]).toEqual([1, 2])
    expect(verdictOf([{ ...found, log: { ...found.log, units: 99 } }], 5142, 0).results[0]!.remaining).toBe(0)
  })

  it('weighs what fades by the newest time that it has seen, too', () => {
    const policy = scopePolicies('t', [{ name: 'p', quota: 10, window: 1 }])[0]!
    const found = { policy, meter: sliding, log: { last: 5000, units: 2, faded: 7, freed: 0 } }
    expect(verdictOf([found], 4300, 1)).toMatchObject({ allowed: true, results: [{ remaining: 0, retryAt: 5143 }] })
  })
})
