import { type ManualClock, manualClock } from '@portcullis/conformance/store'
import { type Policy, type ScopedPolicy, scopePolicies } from '@portcullis/rate-limit'
import { describe, expect, it } from 'vitest'
import { createSqlRateLimitStore, type SqlRateLimitStore } from '../src/rate-limit.ts'
import { databases, type TestDatabase } from './databases.ts'

const secret = 'sixteen bytes and more'
/** The manual clock's first moment is the first of a year, UTC. */
const DAY = 86_400_000

for (const database of databases) describe.skipIf(database.skipped)(database.title, () => tests(database))

function tests(database: TestDatabase): void {
  const fresh = database.start()

  async function limitsAt(address: string, clock: ManualClock): Promise<SqlRateLimitStore> {
    return createSqlRateLimitStore({ store: await database.open(address, { clock }), secret, clock, timeout: 20_000 })
  }

  async function rows(address: string): Promise<number> {
    return Number((await database.ask(address, 'select count(*) as n from pc_rate_limits'))[0]?.['n'])
  }

  async function left(limits: SqlRateLimitStore, policies: readonly ScopedPolicy[]): Promise<number | undefined> {
    return (await limits.consume(['k'], policies, 0)).results[0]?.remaining
  }

  const lives: readonly (readonly [policy: Policy, milliseconds: number])[] = [
    [{ name: 'p', algorithm: 'strict', quota: 5, window: 60 }, 60_000],
    [{ name: 'p', algorithm: 'fixed', quota: 5, window: 60 }, 60_000],
    [{ name: 'p', algorithm: 'sliding', quota: 5, window: 60 }, 120_000],
    // For those whose clock is behind, five minutes longer than the period.
    [{ name: 'p', algorithm: 'calendar', quota: 5, period: 'day' }, DAY + 300_000],
  ]
  it.each(lives)('a bucket is deleted when it has nothing to tell any more, not earlier: %o', async (policy, milliseconds) => {
    const address = await fresh()
    const clock = manualClock()
    const limits = await limitsAt(address, clock)
    await limits.consume(['k'], scopePolicies('test', [policy]), 1)
    clock.advance(milliseconds)
    await limits.sweep()
    expect(await rows(address)).toBe(1)
    clock.advance(1)
    await limits.sweep()
    expect(await rows(address)).toBe(0)
  })

  it('a bucket to which everything was given back is deleted at once', async () => {
    const address = await fresh()
    const clock = manualClock()
    const limits = await limitsAt(address, clock)
    const policies = scopePolicies('test', [{ name: 'p', algorithm: 'strict', quota: 5, window: 60 }])
    const reserved = await limits.consume(['k'], policies, 2)
    await limits.adjust(['k'], policies, -2, reserved)
    await limits.sweep()
    expect(await rows(address)).toBe(0)
  })

  it('a policy that gets another algorithm begins anew, and nothing of its old buckets is read as something else', async () => {
    const address = await fresh()
    const clock = manualClock()
    const numbers = { name: 'p', quota: 5, window: 60 }
    const policies: readonly Policy[] = [
      numbers,
      { ...numbers, algorithm: 'sliding' },
      numbers,
      { name: 'p', algorithm: 'calendar', quota: 5, period: 'hour' },
      numbers,
    ]
    for (const policy of policies) {
      const limits = await limitsAt(address, clock)
      const scoped = scopePolicies('test', [policy])
      expect(await left(limits, scoped)).toBe(5)
      // What is given back to the bucket of before is given to nobody.
      await limits.adjust(['k'], scoped, -1)
      await limits.consume(['k'], scoped, 4)
      expect(await left(limits, scoped)).toBe(1)
      await limits.sweep()
      expect(await left(limits, scoped)).toBe(1)
    }
  })

  it('a process whose clock is in the period before counts in the one that another has begun, and shortens no count', async () => {
    const address = await fresh()
    const [ahead, behind] = [manualClock(), manualClock()]
    behind.advance(-1000)
    const [early, late] = [await limitsAt(address, ahead), await limitsAt(address, behind)]
    const policies = scopePolicies('test', [{ name: 'p', algorithm: 'calendar', quota: 5, period: 'day' }])
    await early.consume(['k'], policies, 3)
    const verdict = await late.consume(['k'], policies, 1)
    expect(verdict.results).toMatchObject([{ remaining: 1, resetAt: ahead.now() + DAY }])
    expect((await early.consume(['k'], policies, 0)).results).toMatchObject([{ remaining: 1, resetAt: ahead.now() + DAY }])
    // Long after the period before has ended.
    ahead.advance(DAY - 1)
    await early.sweep()
    expect(await left(early, policies)).toBe(1)
    ahead.advance(1)
    expect(await left(early, policies)).toBe(5)
  })

  const hourly: readonly Policy[] = [
    { name: 'p', quota: 4, window: 3600 },
    { name: 'p', algorithm: 'strict', quota: 4, window: 3600 },
    { name: 'p', algorithm: 'fixed', quota: 4, window: 3600 },
    { name: 'p', algorithm: 'sliding', quota: 4, window: 3600 },
    { name: 'p', algorithm: 'calendar', quota: 4, period: 'hour' },
  ]
  it.each(hourly)('a clock that goes back and on again adds nothing: %o', async (policy) => {
    const clock = manualClock()
    const limits = await limitsAt(await fresh(), clock)
    const policies = scopePolicies('test', [policy])
    await limits.consume(['k'], policies, 4)
    for (let n = 0; n < 3; n++) {
      for (const move of [-7_200_000, 7_200_000]) {
        clock.advance(move)
        expect((await limits.consume(['k'], policies, 1)).allowed).toBe(false)
      }
    }
  })

  it('whichever of several algorithms refuses, and wherever it stands, none is charged', async () => {
    const address = await fresh()
    const clock = manualClock()
    const limits = await limitsAt(address, clock)
    for (const tight of hourly.keys()) {
      for (const turn of hourly.keys()) {
        const turned = [...hourly.slice(turn), ...hourly.slice(0, turn)]
        // The names, by which they are locked, in this order.
        const policies = scopePolicies(
          `test${tight}${turn}`,
          turned.map((policy, n) => ({ ...policy, name: `p${n}`, quota: policy === hourly[tight] ? 2 : 4 })),
        )
        const keys = policies.map(() => 'k')
        await limits.consume(keys, policies, 1)
        expect((await limits.consume(keys, policies, 2)).allowed).toBe(false)
        const { results } = await limits.consume(keys, policies, 0)
        expect(results.map(({ remaining }) => remaining)).toEqual(turned.map((policy) => (policy === hourly[tight] ? 1 : 3)))
      }
    }
  })

  it('a check that only asked reserved nothing: of what others took meanwhile, nothing is given back for it', async () => {
    const clock = manualClock()
    // In the middle of an hour.
    clock.advance(1_800_000)
    const limits = await limitsAt(await fresh(), clock)
    for (const [n, policy] of hourly.entries()) {
      const policies = scopePolicies(`test${n}`, [policy])
      const asked = await limits.consume(['k'], policies, 0)
      await limits.consume(['k'], policies, 3)
      await limits.adjust(['k'], policies, -1, asked)
      expect(await left(limits, policies)).toBe(1)
    }
  })
}
