import { describe, expect, it, vi } from 'vitest'
import {
  type BruteForceOptions,
  createBruteForceGuard,
  createMemoryRateLimitStore,
  guessRefused,
  type RateLimitStore,
} from '../src/index.ts'
import { caught, manualClock, request } from './support.ts'

const pair = [{ name: 'pair', quota: 10, window: 900 }]
const account = [{ name: 'account', quota: 30, window: 900 }]
const address = [{ name: 'address', quota: 50, window: 900 }]

function guard(options: BruteForceOptions = {}) {
  const clock = manualClock()
  const made = createBruteForceGuard({ clock, pair, account, address, ...options })
  return {
    clock,
    /** Guesses and says how it went; whether the secret was looked at. */
    async guess(who: string, from: string | undefined, right = false): Promise<boolean> {
      const attempt = await made.attempt({ account: who, address: from })
      if (!attempt.allowed) return false
      await attempt.settle(right ? 'success' : 'failure')
      return true
    },
    attempt: made.attempt,
  }
}

const later = (): Promise<void> => new Promise((done) => setImmediate(done))

/** A store whose answers arrive later, as over a network. */
function remote(): RateLimitStore {
  const memory = createMemoryRateLimitStore({ clock: manualClock() })
  return {
    async consume(...check) {
      await later()
      return memory.consume(...check)
    },
    async adjust(...change) {
      await later()
      memory.adjust(...change)
    },
  }
}

describe('1,000 parallel guesses (rate-limiter-flexible, documented recipe: all 1,000 get through a limit of 10) [ASVS 2.4.1, 6.3.1]', () => {
  it.each<[string, BruteForceOptions]>([
    ['in memory', {}],
    ['over a network', { store: remote() }],
  ])('at most 10 reach the secret, %s', async (_, options) => {
    const { attempt } = guard(options)
    let checked = 0
    const refused = await Promise.all(
      Array.from({ length: 1_000 }, async () => {
        const answer = await attempt({ account: 'victim@acme.test', address: '192.0.2.1' })
        if (!answer.allowed) return answer.retryAfter
        checked++
        await later()
        await answer.settle('failure')
        return undefined
      }),
    )
    expect(checked).toBe(10)
    expect(refused.filter((seconds) => seconds === 90)).toHaveLength(990)
  })

  it('from many addresses, at most the account’s own limit', async () => {
    const { guess } = guard()
    const tries = Array.from({ length: 1_000 }, (_, n) => guess('victim', `198.51.${n >> 8}.${n & 255}`))
    expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(30)
  })

  it('at many accounts from one address, at most the address’s own limit', async () => {
    const { guess } = guard()
    const tries = Array.from({ length: 1_000 }, (_, n) => guess(`user${n}`, `2001:db8:1:2::${n.toString(16)}`))
    expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(50)
  })
})

describe('settling', () => {
  it('costs who gets it right nothing of his account or his pair', async () => {
    const { guess } = guard({ address: [{ name: 'address', quota: 1_000, window: 900 }] })
    for (let n = 0; n < 100; n++) expect(await guess('ada', '192.0.2.1', true)).toBe(true)
  })

  it('gives back one attempt for a success, not the failures before it', async () => {
    const { guess } = guard()
    for (let n = 0; n < 9; n++) await guess('ada', '192.0.2.1')
    expect(await guess('ada', '192.0.2.1', true)).toBe(true)
    expect(await guess('ada', '192.0.2.1')).toBe(true)
    expect(await guess('ada', '192.0.2.1')).toBe(false)
  })

  it('does not clear an address when its holder signs in to his own account between guesses', async () => {
    const { guess } = guard()
    let guesses = 0
    for (let n = 0; n < 200; n++) {
      await guess('mallory', '192.0.2.66', true)
      if (await guess(`victim${n}`, '192.0.2.66')) guesses++
    }
    expect(guesses).toBe(25)
  })

  it('does not clear what other addresses failed at the account', async () => {
    const { guess } = guard()
    for (let n = 0; n < 29; n++) await guess('ada', `198.51.100.${n}`)
    expect(await guess('ada', '192.0.2.1', true)).toBe(true)
    expect(await guess('ada', '198.51.100.200')).toBe(true)
    expect(await guess('ada', '198.51.100.201')).toBe(false)
  })

  it('counts an attempt that is never settled as a failure', async () => {
    const { attempt } = guard()
    for (let n = 0; n < 10; n++) expect((await attempt({ account: 'ada', address: '192.0.2.1' })).allowed).toBe(true)
    expect((await attempt({ account: 'ada', address: '192.0.2.1' })).allowed).toBe(false)
  })

  it('counts the first word: a success cannot be said twice, nor after a failure', async () => {
    const { attempt, guess } = guard()
    for (let n = 0; n < 9; n++) await guess('ada', '192.0.2.1')
    const last = await attempt({ account: 'ada', address: '192.0.2.1' })
    if (!last.allowed) throw new Error('refused')
    await last.settle('failure')
    await last.settle('success')
    expect(await guess('ada', '192.0.2.1')).toBe(false)

    const one = guard()
    for (let n = 0; n < 9; n++) await one.guess('ada', '192.0.2.1')
    const right = await one.attempt({ account: 'ada', address: '192.0.2.1' })
    if (!right.allowed) throw new Error('refused')
    await Promise.all([right.settle('success'), right.settle('success'), right.settle('success')])
    expect(await one.guess('ada', '192.0.2.1')).toBe(true)
    expect(await one.guess('ada', '192.0.2.1')).toBe(false)
  })

  it('gives nothing back that time has given back: a right guess held for an hour buys no other guess', async () => {
    const { attempt, guess, clock } = guard()
    const held = await attempt({ account: 'ada', address: '192.0.2.1' })
    clock.time += 3_600_000
    for (let n = 0; n < 10; n++) await guess('ada', '192.0.2.1')
    if (held.allowed) await held.settle('success')
    expect(await guess('ada', '192.0.2.1')).toBe(false)
  })

  it('charges the account nothing for what the pair refuses', async () => {
    const { guess } = guard()
    for (let n = 0; n < 500; n++) await guess('ada', '192.0.2.66')
    // 10 of the account's 30 are gone, not 500.
    for (let n = 0; n < 20; n++) expect(await guess('ada', `198.51.100.${n}`)).toBe(true)
    expect(await guess('ada', '203.0.113.1')).toBe(false)
  })
})

describe('a lock that an outsider holds on a victim', () => {
  it('is not had from one address: the pair is exhausted long before the account', async () => {
    const { guess, clock } = guard()
    for (let hour = 0; hour < 24; hour++) {
      for (let n = 0; n < 100; n++) await guess('ada', '192.0.2.66')
      expect(await guess('ada', '203.0.113.5', true)).toBe(true)
      clock.time += 3_600_000
    }
  })

  it('ends one share of the window after a distributed attack does', async () => {
    const { guess, clock } = guard()
    for (let n = 0; n < 500; n++) await guess('ada', `198.51.${n >> 8}.${n & 255}`)
    expect(await guess('ada', '203.0.113.5', true)).toBe(false)
    clock.time += 30_000
    expect(await guess('ada', '203.0.113.5', true)).toBe(true)
  })

  it.each([
    ['no wider burst', { account: [{ name: 'a', quota: 100, burst: 10, window: 900 }] }],
    ['no higher rate', { account: [{ name: 'a', quota: 20, window: 1800 }] }],
  ])('is not made possible by a configuration: an account with %s than its pair is refused', async (_, options) => {
    expect(await caught(() => createBruteForceGuard({ pair, ...options }))).toMatchObject({ code: 'rate_limit.policy_invalid' })
  })
})

describe('identifiers', () => {
  it.each([
    ['letter case', 'Ada@Acme.Test'],
    ['white space', '  ada@acme.test\t'],
    ['full-width letters', 'ａｄａ@acme.test'],
    ['a character that shows nothing', 'a\u200bda@acme.test\ufeff'],
    ['mathematical letters', '𝐀𝐝𝐚@acme.test'],
  ])('are one account however they are spelled: %s', async (_, spelled) => {
    const { guess } = guard()
    for (let n = 0; n < 10; n++) await guess('ada@acme.test', '192.0.2.1')
    expect(await guess(spelled, '192.0.2.1')).toBe(false)
  })

  it('are one account for STRASSE and straße, and for two orders of combining marks', async () => {
    const { guess } = guard()
    for (let n = 0; n < 5; n++) await guess('straße', '192.0.2.1')
    for (let n = 0; n < 5; n++) await guess('STRASSE', '192.0.2.1')
    expect(await guess('strasse', '192.0.2.1')).toBe(false)
    for (let n = 0; n < 10; n++) await guess('e\u0301\u0323', '192.0.2.1')
    expect(await guess('e\u0323\u0301', '192.0.2.1')).toBe(false)
  })

  it('are cut before they are normalised: 100,000 combining marks take NFKC six seconds (run)', async () => {
    const { guess } = guard()
    const normalize = vi.spyOn(String.prototype, 'normalize')
    await guess(`a${'\u0301\u0323'.repeat(50_000)}`, '192.0.2.1')
    const lengths = normalize.mock.contexts.map((text) => String(text).length)
    normalize.mockRestore()
    expect(lengths).toHaveLength(2)
    expect(Math.max(...lengths)).toBeLessThan(1024)
  })

  it('are cut where no padding reaches: what shows nothing does not count, and what is behind the cut is no other account', async () => {
    const { guess } = guard()
    for (let n = 0; n < 10; n++) await guess(`${'\u200b'.repeat(505 + n)}${' '.repeat(505)}ada`, '192.0.2.1')
    expect(await guess('ada', '192.0.2.1')).toBe(false)
    for (let n = 0; n < 10; n++) await guess(`${'b'.repeat(512)}${n}`, '192.0.2.1')
    expect(await guess('b'.repeat(600), '192.0.2.1')).toBe(false)
  })

  it('are trimmed of white space that appears only when they are normalised', async () => {
    const { guess } = guard()
    for (let n = 0; n < 10; n++) await guess('\u00a8ada', '192.0.2.1')
    expect(await guess(' \u0308ada', '192.0.2.1')).toBe(false)
  })

  it('cannot be spelled so that a pair is another pair', async () => {
    const { guess } = guard()
    for (let n = 0; n < 10; n++) await guess('1 ada', '192.0.2.1')
    expect(await guess('ada', '192.0.2.1')).toBe(true)
  })

  it.each([
    ['no address', 'ada', undefined, 500],
    ['an address that is none', 'ada', 'unknown', 500],
    ['no account', ' \u200b ', '192.0.2.1', 400],
  ])('fails closed with %s', async (_, who, from, status) => {
    const { guess } = guard()
    expect(await caught(() => guess(who, from))).toMatchObject({ code: 'rate_limit.key_missing', status })
  })
})

describe('a refused guess', () => {
  it('is published with the limits that refused it, and without the account', async () => {
    const seen: unknown[] = []
    const stop = guessRefused.subscribe((event) => seen.push(event))
    const { attempt } = guard({ name: 'reset' })
    const req = request('192.0.2.1')
    for (let n = 0; n < 11; n++) await attempt({ account: 'ada@acme.test', address: '192.0.2.1' }, { request: req })
    stop()
    expect(seen).toMatchObject([
      {
        type: 'rate_limit.guess_refused',
        ip: '192.0.2.1',
        data: { guard: 'reset', policies: ['pair:pair'], retryAfter: 90 },
      },
    ])
    expect(JSON.stringify(seen)).not.toContain('ada')
  })

  it('does not meet another guard of the same store', async () => {
    const store = createMemoryRateLimitStore()
    const signIn = guard({ store })
    const reset = guard({ store, name: 'reset' })
    for (let n = 0; n < 11; n++) await signIn.guess('ada', '192.0.2.1')
    expect(await reset.guess('ada', '192.0.2.1')).toBe(true)
  })
})

describe('the defaults', () => {
  it('let 10 guesses at an account through from one address, and 100 from everywhere', async () => {
    const { attempt } = createBruteForceGuard({ clock: manualClock() })
    const count = async (many: number, from: (n: number) => string): Promise<number> => {
      let let_ = 0
      for (let n = 0; n < many; n++) if ((await attempt({ account: 'ada', address: from(n) })).allowed) let_++
      return let_
    }
    expect(await count(50, () => '192.0.2.1')).toBe(10)
    expect(await count(500, (n) => `198.51.${n >> 8}.${n & 255}`)).toBe(90)
  })
})
