import { decide, facts, open, PortcullisError } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import {
  byAddress,
  createBruteForceGuard,
  createMemoryRateLimitStore,
  type LimitOptions,
  limit,
  type RateLimitStore,
} from '../src/index.ts'
import { caught, manualClock, request } from './support.ts'

const policies = [
  { name: 'burst', quota: 100, window: 60 },
  { name: 'daily', quota: 1000, window: 86_400 },
]

/** A store on a server that can be down, and does not answer at once. */
function remote(clock = manualClock()) {
  const memory = createMemoryRateLimitStore({ clock })
  const asked = { down: false, error: new PortcullisError('test.down', 'down', { status: 503 }) as Error }
  const store: RateLimitStore = {
    consume: async (...check) => {
      if (asked.down) throw asked.error
      return memory.consume(...check)
    },
    adjust: async (...change) => {
      if (asked.down) throw asked.error
      memory.adjust(...change)
    },
  }
  return { clock, store, asked }
}

/** How many of so many requests pass. */
async function passing(guard: ReturnType<typeof limit>, requests: number, ip = '192.0.2.1'): Promise<number> {
  let passed = 0
  for (let n = 0; n < requests; n++) if ((await guard(request(ip))).type === 'continue') passed += 1
  return passed
}

describe('a limit whose store is down', () => {
  const limiter = (options: Partial<LimitOptions> = {}) => {
    const { clock, store, asked } = remote()
    return { clock, asked, guard: limit({ policies, key: byAddress(), store, clock, ...options }) }
  }

  it('counts by itself, up to its share of the limit, and says so', async () => {
    const { asked, guard } = limiter({ processes: 4 })
    asked.down = true
    const req = request('192.0.2.7')
    await decide(req, [guard], open('test'))
    expect(facts(req, guard)).toMatchObject({ degraded: true })
    expect(await passing(guard, 200)).toBe(25)
    expect(await passing(guard, 200, '192.0.2.2')).toBe(25)
  })

  it('has in each window no more than its share either', async () => {
    const { clock, asked, guard } = limiter({ processes: 4 })
    asked.down = true
    let passed = 0
    // An hour of asking every second: a quarter of 100 a minute; and of the day, a quarter of what it has at once.
    for (let second = 0; second < 3600; second++) {
      passed += await passing(guard, 1)
      clock.time += 1000
    }
    expect(passed).toBeGreaterThan(240)
    expect(passed).toBeLessThanOrEqual(250 + 12)
  })

  it('grants all processes together no more than the limit at once, whatever the numbers', async () => {
    for (const [quota, processes] of [
      [100, 3],
      [10, 10],
      [7, 2],
    ] as const) {
      let together = 0
      for (let process = 0; process < processes; process++) {
        const { asked, guard } = limiter({ policies: [{ name: 'a', quota, window: 60 }], processes })
        asked.down = true
        together += await passing(guard, 2 * quota)
      }
      expect(together).toBeLessThanOrEqual(quota)
    }
  })

  it('keeps the pace of its share where little may pass at once', async () => {
    const { clock, asked, guard } = limiter({ policies: [{ name: 'a', quota: 100, window: 60, burst: 8 }], processes: 4 })
    asked.down = true
    expect(await passing(guard, 20)).toBe(2)
    for (let n = 0; n < 20; n++) {
      clock.time += 2_400
      expect(await passing(guard, 2)).toBe(1)
    }
  })

  it.each([
    ['strict', 60_000],
    ['fixed', 60_000],
    // What fades has gone with the end of the next window.
    ['sliding', 120_000],
  ] as const)('has of a quota that is %s its part, and again when that is back, not before', async (algorithm, back) => {
    const { clock, asked, guard } = limiter({ policies: [{ name: 'a', algorithm, quota: 100, window: 60 }], processes: 4 })
    asked.down = true
    expect(await passing(guard, 200)).toBe(25)
    clock.time += back - 1
    if (algorithm !== 'sliding') expect(await passing(guard, 1)).toBe(0)
    clock.time += 1
    expect(await passing(guard, 200)).toBe(25)
  })

  it.each(['strict', 'fixed'] as const)(
    'has one unit of a quota that is %s and less than there are processes, and for as much longer',
    async (algorithm) => {
      const { clock, asked, guard } = limiter({ policies: [{ name: 'a', algorithm, quota: 2, window: 60 }], processes: 5 })
      asked.down = true
      expect(await passing(guard, 3)).toBe(1)
      clock.time += 149_999
      expect(await passing(guard, 3)).toBe(0)
      clock.time += 1
      expect(await passing(guard, 3)).toBe(1)
    },
  )

  it('has a window that is as long as was declared where its part was rounded: all together keep a strict limit', async () => {
    const processes = 3
    const shared = { policies: [{ name: 'a', algorithm: 'strict', quota: 100, window: 60 }], processes } as const
    const all = Array.from({ length: processes }, () => limiter(shared))
    let together = 0
    for (const moment of [0, 59_399, 1, 599]) {
      for (const { clock, asked, guard } of all) {
        asked.down = true
        clock.time += moment
        together += await passing(guard, 100)
      }
    }
    expect(together).toBe(99)
  })

  it('has of a day its part of what the day has, by the same calendar', async () => {
    const day = { name: 'a', algorithm: 'calendar', quota: 103, period: 'day', timeZone: 'Asia/Kathmandu' } as const
    const { clock, asked, guard } = limiter({ policies: [day], processes: 4 })
    asked.down = true
    clock.time = Date.parse('2027-02-20T18:14:59.999Z')
    expect(await passing(guard, 200)).toBe(25)
    expect(await passing(guard, 1)).toBe(0)
    clock.time += 1
    expect(await passing(guard, 200)).toBe(25)
    const few = limiter({ policies: [{ ...day, quota: 3 }], processes: 4 })
    few.asked.down = true
    expect(await passing(few.guard, 5)).toBe(1)
  })

  it.each(['gcra', 'strict'] as const)('waits for no more than 366 days, by %s', async (algorithm) => {
    const { clock, asked, guard } = limiter({
      policies: [{ name: 'a', algorithm, quota: 1, window: 366 * 86_400 }],
      processes: 4,
    })
    asked.down = true
    expect(await passing(guard, 2)).toBe(1)
    clock.time += 366 * 86_400_000
    expect(await passing(guard, 2)).toBe(1)
  })

  it.each(['strict', 'sliding', 'calendar'] as const)(
    'lets everything pass where it was told to be open, by %s too',
    async (algorithm) => {
      const numbers = algorithm === 'calendar' ? ({ algorithm, period: 'day' } as const) : { algorithm, window: 60 }
      const { asked, guard } = limiter({ policies: [{ name: 'a', quota: 1, ...numbers }], whenUnavailable: 'open' })
      asked.down = true
      expect(await passing(guard, 5)).toBe(5)
    },
  )

  it('goes back to the store as soon as that answers, to what was counted there before', async () => {
    const { asked, guard } = limiter()
    expect(await passing(guard, 60)).toBe(60)
    asked.down = true
    expect(await passing(guard, 10)).toBe(10)
    asked.down = false
    expect(await passing(guard, 60)).toBe(40)
  })

  it('lets a request pass that costs more than its share has at once', async () => {
    const { asked, guard } = limiter({ processes: 50, cost: 20 })
    asked.down = true
    expect(await passing(guard, 3)).toBe(1)
  })

  it('answers 503 where it was told to be closed', async () => {
    const { asked, guard } = limiter({ whenUnavailable: 'closed' })
    asked.down = true
    expect(await caught(() => guard(request('192.0.2.1')))).toMatchObject({ code: 'test.down' })
    expect(await decide(request('192.0.2.1'), [guard])).toMatchObject({ type: 'reply', reply: { status: 503 } })
  })

  it('lets everything pass where it was told to be open', async () => {
    const { asked, guard } = limiter({ whenUnavailable: 'open' })
    asked.down = true
    expect(await passing(guard, 500)).toBe(500)
  })

  it('does not take a mistake for an outage', async () => {
    const { asked, guard } = limiter()
    asked.down = true
    asked.error = new TypeError('a bug')
    expect(await caught(() => guard(request('192.0.2.1')))).toBe(asked.error)
    asked.error = new PortcullisError('test.bad', 'bad', { status: 500 })
    expect(await caught(() => guard(request('192.0.2.1')))).toBe(asked.error)
  })

  it.each([0, 1.5, -1, Number.NaN, 10_001])('is not shared by %s processes', (processes) => {
    expect(() => limiter({ processes })).toThrow(expect.objectContaining({ code: 'rate_limit.options_invalid' }))
  })
})

describe('guessing while the store is down', () => {
  it('is not possible: no attempt is allowed uncounted, and what can not be given back is no error of the sign-in', async () => {
    const { store, asked, clock } = remote()
    const guard = createBruteForceGuard({ store, clock })
    const identity = { account: 'ada', address: '192.0.2.1' }
    const attempt = await guard.attempt(identity)
    asked.down = true
    expect(await caught(() => guard.attempt(identity))).toMatchObject({ code: 'test.down', status: 503 })
    if (!attempt.allowed) throw new Error('refused')
    await attempt.settle('success')
  })
})
