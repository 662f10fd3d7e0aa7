import { PortcullisError } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import {
  type Attempt,
  type BruteForceOptions,
  createBruteForceGuard,
  createMemoryRateLimitStore,
  type GuessesExhausted,
  guessesExhausted,
  type Identity,
  type RateLimitStore,
  type SuspiciousAttempt,
  suspiciousAttempt,
} from '../src/index.ts'
import { caught, counted, manualClock, request } from './support.ts'

const budget = [{ name: 'budget', quota: 50, window: 900 }]
const at = (n: number): string => `198.51.${n >> 8}.${n & 255}`
const known = (n: number): Identity => ({ ...stranger(n), device: { id: 'laptop', account: `user${n}` } })
const stranger = (n: number): Identity => ({ account: `user${n}`, address: at(n) })

function guard(options: BruteForceOptions = {}) {
  const clock = manualClock()
  const { attempt } = createBruteForceGuard({ clock, budget, ...options })
  return {
    clock,
    attempt,
    many: (times: number, who: (n: number) => Identity) => Promise.all(repeat(times, (n) => attempt(who(n)))),
  }
}

const repeat = <T>(length: number, make: (n: number) => T): T[] => Array.from({ length }, (_, n) => make(n))
const allowed = (attempts: readonly Attempt[]): number => attempts.filter((attempt) => attempt.allowed).length
const marked = (attempts: readonly Attempt[]): number =>
  attempts.filter((attempt) => attempt.allowed && attempt.suspicious).length

/** What is published while something happens. */
async function published(work: () => unknown): Promise<{ exhausted: GuessesExhausted[]; suspicious: SuspiciousAttempt[] }> {
  const exhausted: GuessesExhausted[] = []
  const suspicious: SuspiciousAttempt[] = []
  const stops = [
    guessesExhausted.subscribe(({ data }) => exhausted.push(data)),
    suspiciousAttempt.subscribe(({ data }) => suspicious.push(data)),
  ]
  await work()
  for (const stop of stops) stop()
  return { exhausted, suspicious }
}

describe('a list of passwords tried on as many accounts from as many addresses (credential stuffing)', () => {
  it('is noticed where no account and no address has a limit reached, and locks nobody [ASVS 6.3.1]', async () => {
    const { many } = guard()
    const attempts = await many(500, stranger)
    expect([allowed(attempts), marked(attempts)]).toEqual([500, 450])
    expect(attempts.at(-1)).toMatchObject({ suspicious: true, signs: ['budget'] })
  })

  it('is asked a challenge where the guard is told so, and each answer lets one attempt through [ASVS 2.4.1]', async () => {
    const { many, attempt } = guard({ whenExhausted: 'challenge', address: [{ name: 'address', quota: 40, window: 3600 }] })
    expect(allowed(await many(500, stranger))).toBe(50)
    expect(await attempt(stranger(500))).toEqual({ allowed: false, retryAfter: 18, challenge: true, limits: ['budget:budget'] })
    const answered = await attempt({ ...stranger(500), challenged: true })
    expect(answered).toMatchObject({ allowed: true, suspicious: true, signs: ['budget'] })
    expect(await attempt({ ...stranger(500), challenged: false })).toMatchObject({ allowed: false })
  })

  it('is refused where the guard is told so, whatever it answers', async () => {
    const { many, attempt } = guard({ whenExhausted: 'refuse', address: [{ name: 'address', quota: 40, window: 3600 }] })
    expect(allowed(await many(500, stranger))).toBe(50)
    const refused = { allowed: false, retryAfter: 18, challenge: false, limits: ['budget:budget'] }
    expect(await attempt({ ...stranger(500), challenged: true })).toEqual(refused)
  })

  it.each(['event', 'challenge', 'refuse'] as const)('never meets known devices, with %s', async (whenExhausted) => {
    const { many } = guard({ whenExhausted, address: [{ name: 'address', quota: 40, window: 3600 }] })
    await many(500, stranger)
    const owners = await many(500, known)
    expect([allowed(owners), marked(owners)]).toEqual([500, 0])
  })

  it('a challenge does not lift the limit of an account, nor is it asked for there', async () => {
    const { attempt } = guard({ whenExhausted: 'challenge', address: [{ name: 'address', quota: 40, window: 3600 }] })
    const tries = await Promise.all(repeat(50, () => attempt({ ...stranger(1), challenged: true })))
    expect(allowed(tries)).toBe(10)
    expect(tries.at(-1)).toMatchObject({ challenge: false, limits: ['pair:quarter'] })
  })
})

describe('the budget', () => {
  it('is for failures: right ones, and those that were not checked, give back what they took', async () => {
    const { attempt, many } = guard()
    for (const outcome of ['success', 'unchecked'] as const) {
      for (let n = 0; n < 200; n++) {
        const one = await attempt(stranger(n))
        if (one.allowed) await one.settle(outcome)
      }
    }
    expect(marked(await many(51, stranger))).toBe(1)
  })

  it('is not what known devices fail against', async () => {
    const { many } = guard()
    await many(200, known)
    expect(marked(await many(50, stranger))).toBe(0)
  })

  it('of no policies is none', async () => {
    const { many } = guard({ budget: [] })
    expect(marked(await many(3000, stranger))).toBe(0)
  })

  it('takes nothing more when it is exhausted: what a right one gives back then is the account’s and the pair’s', async () => {
    const { store, calls } = counted(createMemoryRateLimitStore({ clock: manualClock() }))
    const { attempt, many } = guard({ store })
    await many(50, stranger)
    calls.length = 0
    const one = await attempt(stranger(0))
    if (one.allowed) await one.settle('success')
    expect(calls).toEqual([
      { verb: 'consume', sorts: ['account', 'account', 'pair', 'pair', 'pair', 'budget', 'address'], units: 1 },
      { verb: 'consume', sorts: ['account', 'account', 'pair', 'pair', 'pair', 'address'], units: 1 },
      { verb: 'adjust', sorts: ['account', 'account', 'pair', 'pair', 'pair'], units: -1 },
    ])
  })

  it('is not waited for by whom another limit refuses, and a refusal is one call', async () => {
    const { store, calls } = counted(createMemoryRateLimitStore({ clock: manualClock() }))
    const slow = [{ name: 'budget', quota: 10, window: 86_400 }]
    const { attempt } = guard({ store, budget: slow })
    for (let n = 0; n < 10; n++) await attempt(stranger(1))
    calls.length = 0
    expect(await attempt(stranger(1))).toEqual({ allowed: false, retryAfter: 90, challenge: false, limits: ['pair:quarter'] })
    expect(calls).toHaveLength(1)
  })

  it.each(['challenge', 'refuse'] as const)('that one address could use up is refused, with %s', async (whenExhausted) => {
    const error = await caught(() => createBruteForceGuard({ budget, whenExhausted }))
    expect(error).toMatchObject({ code: 'rate_limit.policy_invalid' })
  })

  it('of a guess that lost a race for the pair is not taken, and the guess is refused', async () => {
    const memory = createMemoryRateLimitStore({ clock: manualClock() })
    let raced = false
    const store: RateLimitStore = {
      async consume(keys, policies, cost) {
        // Between the look at the budget and the one past it, others use the pair up.
        const pastBudget = !policies.some(({ scope }) => scope.includes(':budget:'))
        if (pastBudget && !raced) {
          raced = true
          for (let n = 0; n < 10; n++) memory.consume(keys, policies, 1)
        }
        return memory.consume(keys, policies, cost)
      },
      async adjust(...change) {
        memory.adjust(...change)
      },
    }
    const { many, attempt } = guard({ store })
    await many(50, stranger)
    expect(await attempt(stranger(60))).toEqual({ allowed: false, retryAfter: 90, challenge: false, limits: ['pair:quarter'] })
  })
})

describe('that a limit is exhausted', () => {
  it('is said once in its window, not at every attempt [ASVS 6.3.5]', async () => {
    const { many, clock } = guard()
    const { exhausted } = await published(async () => {
      for (let minute = 0; minute < 15; minute++) {
        await many(100, stranger)
        clock.time += 59_000
      }
    })
    expect(exhausted).toEqual([{ guard: 'sign-in', limit: 'budget:budget', window: 900 }])
  })

  it('is said again when it is still so, or again, in the next window', async () => {
    const { many, clock } = guard()
    const { exhausted } = await published(async () => {
      for (let hour = 0; hour < 3; hour++) {
        await many(60, (n) => stranger(hour * 60 + n))
        clock.time += 3_600_000
      }
    })
    expect(exhausted).toHaveLength(3)
  })

  it('is said by one of the processes that share a store', async () => {
    const clock = manualClock()
    const store = createMemoryRateLimitStore({ clock })
    const processes = repeat(4, () => createBruteForceGuard({ store, clock, budget }))
    const { exhausted } = await published(() => Promise.all(repeat(500, (n) => processes[n % 4]!.attempt(stranger(n)))))
    expect(exhausted).toHaveLength(1)
  })

  it('is said of every account, pair, device and address by itself, and without naming it', async () => {
    const { attempt } = guard({ budget: [], address: [{ name: 'quarter', quota: 15, window: 900 }] })
    const { exhausted } = await published(async () => {
      for (let n = 0; n < 12; n++) await attempt({ account: 'ada', address: '192.0.2.1' })
      for (let n = 0; n < 12; n++) await attempt({ account: 'bob', address: '192.0.2.1' })
      for (let n = 0; n < 12; n++) await attempt({ ...known(2), address: '192.0.2.2' })
      for (let n = 0; n < 200; n++) await attempt({ account: 'eve', address: at(n) })
    })
    expect(exhausted.map(({ limit }) => limit)).toEqual(['pair:quarter', 'address:quarter', 'device:quarter', 'account:hourly'])
    expect(JSON.stringify(exhausted)).not.toMatch(/ada|192\.0/)
  })

  it('costs the store nothing while nobody listens', async () => {
    const { store, calls } = counted(createMemoryRateLimitStore({ clock: manualClock() }))
    const { many } = guard({ store })
    await many(50, stranger)
    expect(calls).toHaveLength(50)
  })

  it('is said all the same when the store goes down in between, and the attempt that was paid for goes on', async () => {
    const memory = createMemoryRateLimitStore({ clock: manualClock() })
    const store: RateLimitStore = {
      consume(keys, policies, cost) {
        if (policies[0]?.scope.includes(':exhausted:')) throw new PortcullisError('down', 'down', { status: 503 })
        return memory.consume(keys, policies, cost)
      },
      adjust: (...change) => memory.adjust(...change),
    }
    const { many } = guard({ store })
    let attempts: Attempt[] = []
    const { exhausted } = await published(async () => {
      attempts = await many(50, stranger)
    })
    expect([allowed(attempts), exhausted.length]).toEqual([50, 1])
  })
})

describe('suspicious attempts', () => {
  it('are published when they are settled, the right one after several wrong ones above all [ASVS 6.3.5]', async () => {
    const { attempt } = guard()
    const { suspicious } = await published(async () => {
      for (let n = 0; n < 6; n++) {
        const wrong = await attempt({ account: 'ada@acme.test', address: '192.0.2.1' })
        if (wrong.allowed) await wrong.settle('failure')
      }
      const right = await attempt({ account: 'ada@acme.test', address: '192.0.2.1' }, { request: request('192.0.2.1') })
      if (right.allowed) await right.settle('success')
      // The first word counts, for events as well.
      if (right.allowed) await right.settle('failure')
    })
    expect(suspicious).toEqual([
      { guard: 'sign-in', signs: ['failures'], outcome: 'failure', knownDevice: false },
      { guard: 'sign-in', signs: ['failures'], outcome: 'success', knownDevice: false },
    ])
    expect(JSON.stringify(suspicious)).not.toContain('ada')
  })

  it('are told to the caller, who knows whom to notify: five failures at an account from anywhere make the sixth one', async () => {
    const { attempt } = guard()
    const answers = await Promise.all(repeat(7, (n) => attempt({ account: 'ada', address: at(n) })))
    expect(answers.map((answer) => answer.allowed && answer.suspicious)).toEqual([...Array(5).fill(false), true, true])
    expect(await attempt({ account: 'bob', address: at(0) })).toMatchObject({ suspicious: false, signs: [] })
  })

  it('are none after right ones, however many', async () => {
    const { attempt } = guard({ address: [{ name: 'address', quota: 1000, window: 900 }] })
    const { suspicious } = await published(async () => {
      for (let n = 0; n < 50; n++) {
        const right = await attempt({ account: 'ada', address: '192.0.2.1' })
        if (right.allowed) await right.settle('success')
      }
    })
    expect(suspicious).toEqual([])
  })

  it('are none when the secret was not looked at', async () => {
    const { many, attempt } = guard()
    const { suspicious } = await published(async () => {
      await many(51, stranger)
      const one = await attempt(stranger(99))
      if (one.allowed) await one.settle('unchecked')
    })
    expect(suspicious).toEqual([])
  })
})
