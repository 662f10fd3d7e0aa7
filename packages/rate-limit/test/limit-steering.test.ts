import { decide, facts, guardFailedEvent, type Outcome, open, type Reply, settle } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import {
  byAddress,
  createMemoryRateLimitStore,
  type LimitOptions,
  type LimitPolicy,
  limit,
  plans,
  type RateLimitStore,
} from '../src/index.ts'
import { caught, counted, manualClock, request } from './support.ts'

const burst: LimitPolicy = { name: 'burst', quota: 60, window: 60 }
const daily: LimitPolicy = { name: 'daily', quota: 1_000, window: 86_400 }
const key = '192.0.2.1'
const done: Outcome = { status: 200, completed: true }

function header(reply: Reply, name: string): string | undefined {
  return reply.headers?.find(([one]) => one === name)?.[1]
}

/** A limit under a clock, in a store that answers at once or later. */
function make(options: Partial<LimitOptions> = {}, late = false) {
  const clock = manualClock()
  const memory = createMemoryRateLimitStore({ clock })
  const later: RateLimitStore = {
    consume: async (...check) => memory.consume(...check),
    adjust: async (...change) => memory.adjust(...change),
  }
  const store = late ? later : memory
  return { clock, memory, guard: limit({ policies: [burst, daily], key: byAddress(), store, clock, ...options }) }
}

async function left(guard: ReturnType<typeof limit>): Promise<number[]> {
  return (await guard.explain(request(key))).policies.map(({ remaining }) => remaining)
}

describe.each([
  ['at once', false],
  ['later', true],
])('a limit whose store answers %s', (_, late) => {
  it('makes a key pay a penalty, beyond its limit too [ASVS 2.4.1]', async () => {
    const { clock, guard } = make({}, late)
    await guard.penalize(key, 20)
    expect(await left(guard)).toEqual([40, 980])
    await guard.penalize(key, 100)
    const decision = await guard(request(key))
    expect(decision).toMatchObject({ type: 'reply', reply: { status: 429 } })
    // 60 over, and one to pay: each comes back in a second.
    expect(header((decision as { reply: Reply }).reply, 'Retry-After')).toBe('61')
    expect(await guard(request('192.0.2.2'))).toMatchObject({ type: 'continue' })
    clock.time += 61_000
    expect(await guard(request(key))).toMatchObject({ type: 'continue' })
  })

  it('rewards a key, and never with more than it was charged', async () => {
    const { guard } = make({}, late)
    await guard.penalize(key, 20)
    await guard.reward(key, 5)
    expect(await left(guard)).toEqual([45, 985])
    await guard.reward(key, 1_000_000)
    expect(await left(guard)).toEqual([60, 1_000])
  })

  it('penalises in every plan', async () => {
    let plan: 'a' | 'b' = 'a'
    const { guard } = make({ policies: plans({ a: [burst], b: [daily] }, () => plan) }, late)
    await guard.penalize(key, 20)
    expect(await left(guard)).toEqual([40])
    plan = 'b'
    expect(await left(guard)).toEqual([980])
    await guard.block(key, 60)
    expect(await guard(request(key))).toMatchObject({ type: 'reply' })
    plan = 'a'
    expect(await guard(request(key))).toMatchObject({ type: 'reply' })
  })

  it.each([
    [0.5, 0],
    [3, 59],
    [600, 0],
    [600, 60],
    [86_400, 31],
    [2_592_000, 0],
  ])('blocks a key for %d s after %i requests: no less, and at most two units more', async (seconds, before) => {
    const { clock, guard } = make({}, late)
    for (let n = 0; n < before; n++) await guard(request(key))
    clock.time += 333
    await guard.block(key, seconds)
    const end = clock.time + seconds * 1000
    for (const moment of [0, 0.1, 0.5, 0.9, 1]) {
      clock.time = Math.max(clock.time, Math.floor(end - (1 - moment) * seconds * 1000) - 1)
      const decision = await guard(request(key))
      expect(decision).toMatchObject({ type: 'reply', reply: { status: 429 } })
      const wait = Number(header((decision as { reply: Reply }).reply, 'Retry-After'))
      expect(wait * 1000).toBeGreaterThanOrEqual(end - clock.time)
      expect(wait * 1000).toBeLessThanOrEqual(end - clock.time + 3_000)
    }
    expect(await guard(request('192.0.2.2'))).toMatchObject({ type: 'continue' })
    clock.time = end + 2_002
    expect(await guard(request(key))).toMatchObject({ type: 'continue' })
  })

  it('does not shorten a block that is longer already', async () => {
    const { clock, guard } = make({}, late)
    await guard.block(key, 3_600)
    await guard.block(key, 60)
    clock.time += 3_599_999
    expect(await guard(request(key))).toMatchObject({ type: 'reply' })
  })

  it('blocks what costs nothing, too', async () => {
    const { clock, guard } = make({ cost: 0 }, late)
    await guard.block(key, 60)
    clock.time += 59_999
    expect(await guard(request(key))).toMatchObject({ type: 'reply' })
    clock.time += 2_002
    expect(await guard(request(key))).toMatchObject({ type: 'continue' })
  })

  it('forgives a key everything, blocks included', async () => {
    const { guard } = make({}, late)
    await guard.penalize(key, 500)
    await guard.block(key, 86_400)
    await guard.forgive(key)
    expect(await left(guard)).toEqual([60, 1_000])
  })
})

describe('a limit by windows', () => {
  const strict: LimitPolicy = { name: 'strict', algorithm: 'strict', quota: 5, window: 60 }
  const fixed: LimitPolicy = { name: 'fixed', algorithm: 'fixed', quota: 5, window: 60 }
  const monthly: LimitPolicy = { name: 'monthly', algorithm: 'calendar', quota: 50, period: 'month' }

  it('makes a key pay a penalty until the end of its windows, beyond its quota too [ASVS 2.4.1]', async () => {
    const { clock, guard } = make({ policies: [strict, fixed, monthly] })
    await guard.penalize(key, 500)
    expect(await left(guard)).toEqual([0, 0, 0])
    clock.time += 59_999
    expect(await left(guard)).toEqual([0, 0, 0])
    clock.time += 1
    expect(await left(guard)).toEqual([5, 5, 0])
  })

  it('forgives everything that was charged, however far beyond the quota and at however many moments', async () => {
    const { clock, guard } = make({ policies: [strict, fixed, monthly] })
    for (let n = 0; n < 3; n++) {
      await guard.penalize(key, 1_000_000)
      clock.time += 1_000
    }
    await guard.forgive(key)
    expect(await left(guard)).toEqual([5, 5, 50])
  })

  it('does not take a block, which a window would forget with its end: an error, and nothing is charged', async () => {
    const { guard } = make({ policies: [strict, fixed, monthly] })
    expect(await caught(() => guard.block(key, 60))).toMatchObject({ code: 'rate_limit.options_invalid' })
    expect(await left(guard)).toEqual([5, 5, 50])
  })

  it('leaves a block to the policy by gcra beside it, which is charged alone', async () => {
    const { clock, guard } = make({ policies: [{ ...strict, window: 1 }, daily, monthly] })
    await guard.block(key, 3_600)
    expect(await left(guard)).toEqual([5, 0, 50])
    clock.time += 3_599_999
    expect(await guard(request(key))).toMatchObject({ type: 'reply' })
    await guard.forgive(key)
    expect(await guard(request(key))).toMatchObject({ type: 'continue' })
  })
})

describe('a block', () => {
  it('is a charge of a policy that can say so long a time in a billion units', async () => {
    const fine: LimitPolicy = { name: 'bytes', quota: 1_000_000_000, window: 1 }
    const { clock, guard } = make({ policies: [fine, daily] })
    await guard.block(key, 3_600)
    clock.time += 3_600_000
    expect(await guard(request(key))).toMatchObject({ type: 'reply' })
    clock.time += 2 * 86_400 + 2
    expect(await guard(request(key))).toMatchObject({ type: 'continue' })
    expect(await caught(() => make({ policies: [fine] }).guard.block(key, 3_600))).toMatchObject({
      code: 'rate_limit.options_invalid',
    })
  })

  it.each<[string, (guard: ReturnType<typeof limit>) => Promise<void>, string]>([
    ['a block of no time', (guard) => guard.block(key, 0), 'rate_limit.options_invalid'],
    ['a block for ever', (guard) => guard.block(key, Number.POSITIVE_INFINITY), 'rate_limit.options_invalid'],
    ['a block that is no number', (guard) => guard.block(key, Number.NaN), 'rate_limit.options_invalid'],
    ['a block of nobody', (guard) => guard.block(undefined, 60), 'rate_limit.key_missing'],
    ['a penalty for nobody', (guard) => guard.penalize('', 1), 'rate_limit.key_missing'],
    ['forgiving nobody', (guard) => guard.forgive(undefined), 'rate_limit.key_missing'],
    ['a penalty that is a reward', (guard) => guard.penalize(key, -5), 'rate_limit.cost_invalid'],
    ['a reward that is a penalty', (guard) => guard.reward(key, -5), 'rate_limit.cost_invalid'],
    ['half a unit', (guard) => guard.penalize(key, 0.5), 'rate_limit.cost_invalid'],
  ])('or a charge is an error where it is %s', async (_, act, code) => {
    expect(await caught(() => act(make().guard))).toMatchObject({ code })
  })

  it('of a limit that refuses nothing is an error, and not a block that does not hold', async () => {
    const { guard } = make({ policies: [{ ...burst, shadow: true }] })
    expect(await caught(() => guard.block(key, 60))).toMatchObject({ code: 'rate_limit.options_invalid' })
  })
})

describe('a cost that is known afterwards', () => {
  const run = async (guard: ReturnType<typeof limit>, spent?: number, outcome: Outcome = done, pause = () => {}) => {
    const req = request(key)
    const verdict = await decide(req, [guard], open('test'))
    if (verdict.type === 'continue' && spent !== undefined) facts(req, guard).spent(spent)
    pause()
    settle(req, outcome)
    await new Promise(setImmediate)
    return verdict.type
  }

  it.each([
    ['less', 3, 57, 997],
    ['as much', 10, 50, 990],
    ['more', 25, 35, 975],
    ['nothing', 0, 60, 1_000],
  ])('is settled where it was %s', async (_, spent, ofBurst, ofDay) => {
    const { guard } = make({ cost: 10, actual: 'told' })
    await run(guard, spent)
    expect(await left(guard)).toEqual([ofBurst, ofDay])
  })

  it('is the estimate where nobody says anything, and the last word where somebody says much', async () => {
    const { guard } = make({ cost: 10, actual: 'told' })
    await run(guard)
    expect(await left(guard)).toEqual([50, 990])
    const req = request(key)
    await decide(req, [guard], open('test'))
    for (const units of [1, 2, 30]) facts(req, guard).spent(units)
    settle(req, done)
    await new Promise(setImmediate)
    expect(await left(guard)).toEqual([20, 960])
  })

  it('is paid for by the next request where it was beyond the limit', async () => {
    const { guard } = make({ cost: 10, actual: 'told' })
    await run(guard, 500)
    expect(await run(guard)).toBe('reply')
  })

  it('can be asked for by how the request ended', async () => {
    const { guard } = make({ cost: 10, actual: (_, { status }) => (status === undefined || status >= 500 ? 0 : undefined) })
    await run(guard, undefined, { status: 503, completed: true })
    await run(guard, undefined, { status: undefined, completed: false })
    expect(await left(guard)).toEqual([60, 1_000])
    await run(guard)
    expect(await left(guard)).toEqual([50, 990])
  })

  it('gives back nothing that time has given back meanwhile', async () => {
    const { clock, guard } = make({ cost: 10, actual: 'told' })
    await run(guard, 0, done, () => {
      clock.time += 10_000
      void guard.penalize(key, 20)
    })
    expect((await left(guard))[0]).toBe(40)
  })

  it('is settled in shadows too', async () => {
    const { guard } = make({ policies: [burst, { ...daily, shadow: true }], cost: 10, actual: 'told' }, true)
    await run(guard, 4)
    expect(await left(guard)).toEqual([56, 996])
  })

  it('charges a refused request nothing', async () => {
    const { memory } = make()
    const { store, calls } = counted(memory)
    const guard = limit({ policies: [{ ...burst, quota: 10 }], key: byAddress(), store, cost: 10, actual: () => 500 })
    await run(guard)
    calls.length = 0
    expect(await run(guard)).toBe('reply')
    expect(calls.filter(({ verb }) => verb === 'adjust')).toEqual([])
  })

  it('that makes no sense is an error where it is told, and a failure that is published where a function says so', async () => {
    const { guard } = make({ cost: 10, actual: 'told' })
    const req = request(key)
    await decide(req, [guard], open('test'))
    expect(await caught(() => facts(req, guard).spent(-1))).toMatchObject({ code: 'rate_limit.cost_invalid' })
    const failed: unknown[] = []
    const stop = guardFailedEvent.subscribe(({ data }) => failed.push(data))
    await run(make({ actual: () => Number.NaN }).guard)
    stop()
    expect(failed).toMatchObject([{ code: 'rate_limit.cost_invalid' }])
  })

  it('is an error to tell where nobody settles it', async () => {
    const { guard } = make()
    const req = request(key)
    await decide(req, [guard], open('test'))
    expect(await caught(() => facts(req, guard).spent(1))).toMatchObject({ code: 'rate_limit.options_invalid' })
  })
})

describe('X-RateLimit-* headers', () => {
  const names = ['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset']

  it('say in epoch seconds when all is back, and on a refusal when the request passes', async () => {
    const { clock, guard } = make({ policies: [{ ...burst, quota: 2 }], headers: 'legacy' })
    const at = clock.time / 1000
    const answers: (readonly (readonly string[])[])[] = []
    for (let n = 0; n < 3; n++) {
      const decision = await guard(request(key))
      answers.push((decision.type === 'reply' ? decision.reply.headers : decision.headers) ?? [])
    }
    const told = answers.map((lines) => names.map((name) => lines.find(([one]) => one === name)?.[1]))
    expect(told).toEqual([
      ['2', '1', `${at + 30}`],
      ['2', '0', `${at + 60}`],
      ['2', '0', `${at + 30}`],
    ])
    expect(answers.flat().map(([name]) => name)).not.toContain('RateLimit')
    clock.time += 30_000
    expect(await guard(request(key))).toMatchObject({ type: 'continue' })
  })

  it.each([
    ['ratelimit', ['RateLimit-Policy', 'RateLimit']],
    ['legacy', names],
    ['both', ['RateLimit-Policy', 'RateLimit', ...names]],
  ] as const)('or others are sent as %s says', async (headers, expected) => {
    const decision = await make({ headers }).guard(request(key))
    expect(decision.type === 'continue' && decision.headers?.map(([name]) => name)).toEqual(expected)
  })

  it('are not silently none where the word is misspelled', async () => {
    expect(await caught(() => make({ headers: 'legasy' as 'legacy' }))).toMatchObject({ code: 'rate_limit.options_invalid' })
  })
})

describe('explain', () => {
  it('says of each policy what is left, without counting', async () => {
    const { clock, guard } = make({ name: 'api', policies: [burst, { ...daily, quota: 1, shadow: true }], cost: () => 20 })
    for (let n = 0; n < 3; n++) await guard(request(key))
    for (let n = 0; n < 3; n++) await guard.explain(request(key))
    clock.time += 4_500
    expect(await guard.explain(request(key))).toEqual({
      limiter: 'api',
      keyKind: 'address',
      allowed: false,
      degraded: false,
      cost: 20,
      policies: [
        {
          policy: 'burst',
          algorithm: 'gcra',
          quota: 60,
          window: 60,
          burst: 60,
          shadow: false,
          allowed: false,
          remaining: 4,
          passesIn: 16,
          fullIn: 56,
        },
        {
          policy: 'daily',
          algorithm: 'gcra',
          quota: 1,
          window: 86_400,
          burst: 1,
          shadow: true,
          allowed: false,
          remaining: 1,
          passesIn: undefined,
          fullIn: 0,
        },
      ],
      text: [
        'api: refused at a cost of 20, by address',
        '  burst: refuses, 4 left of 60 in 60 s, passes in 16 s, all back in 56 s',
        '  daily (shadow): would refuse, 1 left of 1 in 86400 s, 20 never passes, nothing used',
      ].join('\n'),
    })
  })

  it('says what the guard does, to the second', async () => {
    const { clock, guard } = make({ policies: [{ ...burst, quota: 7 }, daily] })
    for (let n = 0; n < 400; n++) {
      clock.time += 137 * (n % 50)
      const { allowed, policies } = await guard.explain(request(key))
      const decision = await guard(request(key))
      expect(decision.type).toBe(allowed ? 'continue' : 'reply')
      const wait = Math.max(...policies.map(({ passesIn }) => passesIn ?? 0))
      if (decision.type === 'reply') expect(header(decision.reply, 'Retry-After')).toBe(String(wait))
    }
  })

  it.each([
    ['192.0.2.1', 'allow', true],
    ['203.0.113.1', 'deny', false],
  ])('says of %s that the %s list decides', async (ip, listed, allowed) => {
    const { guard } = make({ allow: ['192.0.2.0/24'], deny: ['203.0.113.0/24'] })
    const explanation = await guard.explain(request(ip))
    expect(explanation).toMatchObject({ listed, allowed, policies: [] })
    expect(JSON.stringify(explanation)).not.toContain(ip)
  })

  it('names the plan, and never the key', async () => {
    const { guard } = make({ policies: plans({ free: [burst] }, () => 'free') })
    const explanation = await guard.explain(request(key))
    expect(explanation).toMatchObject({ plan: 'free', allowed: true })
    expect(JSON.stringify(explanation)).not.toContain(key)
    expect(explanation.text).toBe(
      'limit (free): allowed at a cost of 1, by address\n  burst: passes, 60 left of 60 in 60 s, nothing used',
    )
  })

  it('has nothing to say of a request without a key', async () => {
    expect(await caught(() => make().guard.explain(request(undefined)))).toMatchObject({ code: 'rate_limit.key_missing' })
  })
})
