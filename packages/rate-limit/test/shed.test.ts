import { decide, facts, type Outcome, open, settle } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { GradientLimit } from '../src/adaptive-limit.ts'
import { type Priority, requestShed, type ShedGuard, type ShedOptions, shed } from '../src/index.ts'
import { LoadWindow } from '../src/load-window.ts'
import { caught, type ManualClock, manualClock, request } from './support.ts'

const done: Outcome = { status: 200, completed: true }

/** What is sent to a server, and how that fares. */
interface Traffic {
  readonly priority: Priority
  /** Requests in a second. */
  readonly rate: number
  readonly outcome?: Outcome
  /** Milliseconds of work; 50 by default. */
  readonly work?: number
}

interface Fared {
  passed: number
  refused: number
  /** Milliseconds, of those that passed, on average. */
  latency: number
}

/**
 * A server that works at `capacity` requests at one time: more share it, and each takes longer in proportion. Millisecond by millisecond,
 * so that each run is the same.
 */
function server(clock: ManualClock, guard: ShedGuard, capacity: number) {
  let active: { left: number; since: number; settle(outcome: Outcome): void; of: Traffic; into: Fared }[] = []
  const due = new Map<Traffic, number>()

  const view = request('192.0.2.1')

  const arrive = (of: Traffic, into: Fared): void => {
    const decision = guard({ ...view, target: of.priority })
    if (decision.type === 'reply') into.refused += 1
    else active.push({ left: of.work ?? 50, since: clock.time, settle: (outcome) => decision.settle?.(outcome), of, into })
  }

  return {
    capacity,
    run(traffic: readonly Traffic[], seconds: number): Fared[] {
      const fared = traffic.map((): Fared => ({ passed: 0, refused: 0, latency: 0 }))
      for (let ms = 0; ms < seconds * 1000; ms++) {
        clock.time += 1
        for (const [i, of] of traffic.entries()) {
          let arrivals = (due.get(of) ?? 0) + of.rate / 1000
          for (; arrivals >= 1; arrivals -= 1) arrive(of, fared[i]!)
          due.set(of, arrivals)
        }
        const share = Math.min(1, this.capacity / Math.max(1, active.length))
        for (const one of active) one.left -= share
        const ended = active.filter(({ left }) => left <= 1e-9)
        active = active.filter(({ left }) => left > 1e-9)
        for (const { settle, since, of, into } of ended) {
          settle(of.outcome ?? done)
          into.passed += 1
          into.latency += (clock.time - since - into.latency) / into.passed
        }
      }
      return fared
    },
  }
}

const byTarget: ShedOptions = { priority: ({ target }) => target as Priority }

describe.each<[string, ShedOptions]>([
  ['gradient', {}],
  ['AIMD', { latency: 0.08 }],
])('shedding by %s', (_, options) => {
  it('keeps latency within bounds under three times the load that the server can bear, and the server busy', () => {
    const clock = manualClock()
    const guard = shed({ ...byTarget, ...options, clock })
    const busy = server(clock, guard, 20)
    // 400 requests a second are all that it can do.
    busy.run([{ priority: 'critical', rate: 200 }], 20)
    const [under] = busy.run([{ priority: 'critical', rate: 1_200 }], 60)
    expect(under!.latency).toBeLessThan(50 * 4)
    expect(under!.passed / 60).toBeGreaterThan(380)
    expect(under!.refused).toBeGreaterThan(0)
  })

  it('lets everything pass again when the load is gone', () => {
    const clock = manualClock()
    const guard = shed({ ...byTarget, ...options, clock })
    const busy = server(clock, guard, 20)
    busy.run([{ priority: 'critical', rate: 1_200 }], 30)
    busy.run([{ priority: 'critical', rate: 200 }], 5)
    const [after] = busy.run([{ priority: 'critical', rate: 200 }], 20)
    expect(after).toMatchObject({ refused: 0 })
  })

  it('sheds what matters least first, and what is critical not while there is room for it [ASVS 2.4.1]', () => {
    const clock = manualClock()
    const guard = shed({ ...byTarget, ...options, clock })
    const busy = server(clock, guard, 20)
    const traffic: Traffic[] = [
      { priority: 'critical', rate: 100 },
      { priority: 'normal', rate: 150 },
      { priority: 'bulk', rate: 1_000 },
    ]
    busy.run(traffic, 10)
    const [critical, normal, bulk] = busy.run(traffic, 30)
    expect(critical).toMatchObject({ refused: 0 })
    expect(normal!.refused / (normal!.passed + normal!.refused)).toBeLessThan(0.02)
    expect(bulk!.refused / (bulk!.passed + bulk!.refused)).toBeGreaterThan(0.5)
  })

  it('follows a server that became slower, and one that recovered', () => {
    const clock = manualClock()
    const guard = shed({ ...byTarget, ...options, clock })
    const busy = server(clock, guard, 40)
    const load: Traffic[] = [{ priority: 'critical', rate: 700 }]
    busy.run(load, 20)
    const before = guard.capacity()
    busy.capacity = 8
    busy.run(load, 30)
    expect(guard.capacity()).toBeLessThan(before * 0.7)
    busy.capacity = 40
    busy.run(load, 30)
    const [again] = busy.run(load, 10)
    expect(again!.refused / 7_000).toBeLessThan(0.02)
  })

  it('does not take quick refusals for capacity: junk does not make ordinary requests look slow', () => {
    const clock = manualClock()
    const guard = shed({ ...byTarget, ...options, clock })
    const busy = server(clock, guard, 100)
    const junk: Traffic = { priority: 'bulk', rate: 900, work: 1, outcome: { status: 401, completed: true } }
    const left: Traffic = { priority: 'bulk', rate: 300, work: 1, outcome: { status: undefined, completed: false } }
    busy.run([{ priority: 'normal', rate: 20 }, junk, left], 30)
    const [ordinary] = busy.run([{ priority: 'normal', rate: 700 }], 20)
    expect(ordinary!.refused / 14_000).toBeLessThan(0.02)
  })

  it('lowers its limit where what is behind it says that it has no capacity, and not for one in a hundred', () => {
    const clock = manualClock()
    const guard = shed({ ...byTarget, ...options, clock })
    const busy = server(clock, guard, 100)
    const of = (rate: number, status: number): Traffic => ({ priority: 'critical', rate, outcome: { status, completed: true } })
    busy.run([of(990, 200), of(10, 503)], 10)
    const before = guard.capacity()
    expect(before).toBeGreaterThanOrEqual(50)
    busy.run([of(1_000, 503)], 10)
    expect(guard.capacity()).toBeLessThan(before * 0.5)
  })

  it('stays within its bounds', () => {
    const clock = manualClock()
    const guard = shed({ ...byTarget, ...options, clock, initial: 20, least: 10, most: 30 })
    const busy = server(clock, guard, 100)
    busy.run([{ priority: 'critical', rate: 1_000 }], 60)
    expect(guard.capacity()).toBe(30)
    busy.capacity = 0.5
    busy.run([{ priority: 'critical', rate: 1_000, outcome: { status: 503, completed: true } }], 60)
    expect(guard.capacity()).toBe(10)
  })
})

describe('the limit of shedding', () => {
  it('does not grow while nobody comes near it', () => {
    const clock = manualClock()
    const guard = shed({ ...byTarget, clock })
    server(clock, guard, 100).run([{ priority: 'critical', rate: 100 }], 60)
    expect(guard.capacity()).toBe(50)
  })

  it('is not moved by what does not measure, by few, or by a clock that went back', () => {
    const run = (options: ShedOptions, step: number, count: number): number => {
      const clock = manualClock()
      const guard = shed({ ...options, clock, latency: 0.001, initial: 10 })
      for (let n = 0; n < count; n++) {
        const decision = guard(request('192.0.2.1'))
        clock.time += step
        if (decision.type === 'continue') decision.settle?.(done)
      }
      return guard.capacity()
    }
    expect(run({}, 500, 9)).toBe(10)
    expect(run({}, 500, 10)).toBe(9)
    expect(run({ measures: () => false }, 500, 100)).toBe(10)
    expect(run({}, -500, 100)).toBe(10)
  })
})

describe('what the limit learns', () => {
  const range = { initial: 100, least: 1, most: 1_000 }
  const sample = (latency: number) => ({ latency, inFlight: 1_000, overloaded: false })

  it('is not much from one slow window', () => {
    const limit = new GradientLimit(range, 1.5)
    limit.learn(sample(10))
    const before = limit.current
    limit.learn(sample(100_000))
    expect(limit.current).toBeGreaterThan(before * 0.85)
  })

  it('is that what was usual under a long load is so no longer', () => {
    const limit = new GradientLimit(range, 1.5)
    for (let n = 0; n < 20; n++) limit.learn(sample(1_000))
    for (let n = 0; n < 25; n++) limit.learn(sample(100))
    const before = limit.current
    limit.learn(sample(600))
    expect(limit.current).toBeLessThan(before)
  })

  it('is nothing of an earlier window', () => {
    const load = new LoadWindow(1_000, 0)
    const close = (now: number) => Array.from({ length: 10 }, () => load.end(10, now, 2)).at(-1)
    load.begin(50)
    expect(close(1_000)).toMatchObject({ inFlight: 50 })
    expect(close(2_000)).toMatchObject({ inFlight: 2 })
  })

  it('is nothing from a request that ended before it began', () => {
    const clock = manualClock()
    const guard = shed({ clock, latency: 0.5, initial: 1, least: 1, window: 0.01 })
    for (let n = 0; n < 20; n++) {
      clock.time += 1_000
      const decision = guard(request('192.0.2.1'))
      clock.time -= 500
      if (decision.type === 'continue') decision.settle?.(done)
    }
    expect(guard.capacity()).toBe(1)
  })
})

describe('shed', () => {
  const full = (options: ShedOptions = {}) => {
    const guard = shed({ initial: 10, priority: ({ target }) => target as Priority, ...options })
    const take = (priority: string) => guard({ ...request('192.0.2.1'), target: priority })
    const passing = (priority: Priority): number => {
      for (let n = 0; ; n++) if (take(priority).type === 'reply') return n
    }
    return { guard, take, passing }
  }

  it('keeps part of the limit for what matters more', () => {
    const { passing } = full()
    expect([passing('bulk'), passing('normal'), passing('critical')]).toEqual([5, 4, 1])
  })

  it('lets one of any sort in where nothing is under way', () => {
    expect(full({ initial: 1, least: 1 }).passing('bulk')).toBe(1)
  })

  it('has the shares that it is given', () => {
    const { passing } = full({ shares: { bulk: 0.2, normal: 0.2 } })
    expect([passing('bulk'), passing('normal'), passing('critical')]).toEqual([2, 0, 8])
  })

  it('answers 503 temporary-reduced-capacity with a Retry-After that spreads those who come again', () => {
    const { take, passing } = full()
    passing('critical')
    const waits = new Set<string | undefined>()
    for (let n = 0; n < 30; n++) {
      const decision = take('bulk')
      if (decision.type !== 'reply') throw new Error('not refused')
      expect(decision).toMatchObject({ reply: { status: 503 }, cause: { code: 'rate_limit.shed' } })
      expect(JSON.parse(String(decision.reply.body))).toEqual({
        type: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
        title: 'Request cannot be satisfied due to temporary server capacity constraints',
        status: 503,
      })
      waits.add(decision.reply.headers?.find(([name]) => name === 'Retry-After')?.[1])
    }
    expect([...waits].sort()).toEqual(['1', '2', '3'])
  })

  it('tells nobody to come before what is under way should be done, nor after a minute and three seconds', () => {
    for (const [seconds, least] of [
      [7.5, 8],
      [500, 60],
    ] as const) {
      const clock = manualClock()
      const guard = shed({ clock, initial: 10, latency: 3_600, least: 1, most: 10, priority: () => 'critical' })
      const settles: ((outcome: Outcome) => void)[] = []
      const fill = () => {
        for (;;) {
          const decision = guard(request('192.0.2.1'))
          if (decision.type === 'reply') return Number(decision.reply.headers?.find(([name]) => name === 'Retry-After')?.[1])
          settles.push(decision.settle!)
        }
      }
      expect(fill()).toBeLessThanOrEqual(3)
      clock.time += seconds * 1000
      for (const settle of settles.splice(0)) settle(done)
      const wait = fill()
      expect(wait).toBeGreaterThanOrEqual(least)
      expect(wait).toBeLessThan(least + 3)
    }
  })

  it('answers at once, and tells the handler how much is left', () => {
    const { guard } = full()
    const req = { ...request('192.0.2.1'), target: 'normal' }
    expect(decide(req, [guard], open('test'))).not.toBeInstanceOf(Promise)
    expect(facts(req, guard)).toEqual({ priority: 'normal', limit: 10, inFlight: 1 })
    expect(guard.inFlight()).toBe(1)
    settle(req, { status: undefined, completed: false })
    expect(guard.inFlight()).toBe(0)
  })

  it('says in an event what was shed, and of which priority', () => {
    const heard: unknown[] = []
    const stop = requestShed.subscribe(({ data }) => heard.push(data))
    const { passing } = full({ name: 'api' })
    passing('bulk')
    stop()
    expect(heard).toEqual([{ limiter: 'api', priority: 'bulk', limit: 10, inFlight: 5 }])
  })

  it.each(['urgent', 'constructor', '', undefined])('does not guess what %j means', async (priority) => {
    expect(await caught(() => shed({ priority: () => priority as Priority })(request('192.0.2.1')))).toMatchObject({
      code: 'rate_limit.priority_invalid',
    })
  })

  it.each<[string, ShedOptions]>([
    ['a limit that begins below its least', { initial: 4 }],
    ['a limit that begins above its most', { initial: 50, most: 40 }],
    ['no limit at all', { initial: 0, least: 0 }],
    ['a share of nothing', { shares: { bulk: 0 } }],
    ['a share of more than all', { shares: { critical: 1.1 } }],
    ['shares the wrong way round', { shares: { bulk: 0.95 } }],
    ['a latency of nothing', { latency: 0 }],
    ['a latency that is no number', { latency: Number.NaN }],
    ['a tolerance below what is usual', { tolerance: 0.5 }],
    ['a window of nothing', { window: 0 }],
    ['a name that can’t be shown', { name: 'a b' }],
  ])('refuses %s when it is declared', async (_, options) => {
    expect(await caught(() => shed(options))).toMatchObject({ code: 'rate_limit.options_invalid' })
  })
})
