import { describe, expect, it } from 'vitest'
import { type BruteForceOptions, createBruteForceGuard, createDeviceCookies, createMemoryRateLimitStore } from '../src/index.ts'
import { caught, counted, manualClock } from './support.ts'

const pair = [{ name: 'pair', quota: 5, window: 900 }]
const account = [{ name: 'account', quota: 30, window: 900 }]
const device = [{ name: 'device', quota: 10, window: 900 }]
const devices = [{ name: 'devices', quota: 25, window: 900 }]
const address = [{ name: 'address', quota: 1000, window: 900 }]
const at = (n: number): string => `198.51.${n >> 8}.${n & 255}`
const home = '203.0.113.5'

function service(options: BruteForceOptions = {}) {
  const clock = manualClock()
  const guard = createBruteForceGuard({ clock, pair, account, device, devices, address, ...options })
  const cookies = createDeviceCookies({ secret: 'a secret of thirty-two bytes or more', clock })
  /** A browser that signs in: what it is given, it sends. */
  const browser = (from: string, cookie = '') => {
    let kept = cookie
    return {
      copy: () => kept,
      async guess(who: string, right = false): Promise<'known' | 'unknown' | 'refused'> {
        const req = { headers: { cookie: kept } }
        const attempt = await guard.attempt({ account: who, address: from, device: cookies.read(req, who) })
        if (!attempt.allowed) return 'refused'
        await attempt.settle(right ? 'success' : 'failure')
        if (right) kept = cookies.issue(who, req).split(';', 1)[0]!
        return attempt.knownDevice ? 'known' : 'unknown'
      },
    }
  }
  return { clock, guard, browser }
}

describe('an attacker with 500 addresses (OWASP, Slow Down Online Guessing Attacks with Device Cookies)', () => {
  it('locks himself out, and not the owner on his own device [ASVS 6.3.1]', async () => {
    const { browser, clock } = service()
    const laptop = browser(home)
    expect(await laptop.guess('ada', true)).toBe('unknown')
    let checked = 0
    for (let round = 0; round < 10; round++) {
      for (let n = 0; n < 500; n++) if ((await browser(at(n)).guess('ada')) !== 'refused') checked++
      // Whoever is not known waits with the attacker; the owner does not, wherever he is, whatever he mistypes.
      expect(await browser('203.0.113.9').guess('ada', true)).toBe('refused')
      expect(await laptop.guess('ada')).toBe('known')
      expect(await browser('192.0.2.200', laptop.copy()).guess('ada', true)).toBe('known')
      expect(await laptop.guess('ada', true)).toBe('known')
      clock.time += 60_000
    }
    expect(checked).toBe(30 + 2 * 9)
  })

  it('does not get past with a cookie of his own account, nor with one that he made up', async () => {
    const { browser } = service()
    const own = browser(at(1))
    await own.guess('mallory', true)
    let checked = 0
    for (let n = 0; n < 500; n++) if ((await browser(at(n), own.copy()).guess('ada')) !== 'refused') checked++
    expect(checked).toBe(30)
  })

  it('is not believed when a device of another account is handed to the guard', async () => {
    const { guard } = service()
    const mine = { id: 'mine', account: 'mallory' }
    const attempt = await guard.attempt({ account: 'ada', address: home, device: mine })
    expect(attempt).toMatchObject({ allowed: true, knownDevice: false })
    const own = await guard.attempt({ account: ' MALLORY', address: home, device: mine })
    expect(own).toMatchObject({ allowed: true, knownDevice: true })
    const nameless = await guard.attempt({ account: 'mallory', address: home, device: { id: '', account: 'mallory' } })
    expect(nameless).toMatchObject({ allowed: true, knownDevice: false })
  })
})

describe('a known device', () => {
  it('has its own limit, and beyond it what any stranger has: a stolen cookie buys no more [ASVS 6.3.1]', async () => {
    const { browser } = service()
    const laptop = browser(home)
    await laptop.guess('ada', true)
    const thief = browser(at(1), laptop.copy())
    const answers: string[] = []
    for (let n = 0; n < 100; n++) answers.push(await thief.guess('ada'))
    expect(answers).toEqual([...Array(10).fill('known'), ...Array(5).fill('unknown'), ...Array(85).fill('refused')])
    // The owner’s device is the thief’s now: he is a stranger there until he signs in, and known again after.
    expect(await laptop.guess('ada', true)).toBe('unknown')
    expect(await laptop.guess('ada')).toBe('known')
  })

  it('is marked once its own limit is exhausted', async () => {
    const { guard } = service()
    const identity = { account: 'ada', address: home, device: { id: 'laptop', account: 'ada' } }
    for (let n = 0; n < 10; n++) await guard.attempt(identity)
    expect(await guard.attempt(identity)).toMatchObject({ knownDevice: false, suspicious: true, signs: ['device'] })
  })

  it('takes nothing from the account or the pair, and they take nothing from it', async () => {
    const { browser } = service()
    const laptop = browser(home)
    await laptop.guess('ada', true)
    for (let n = 0; n < 10; n++) expect(await laptop.guess('ada')).toBe('known')
    const strangers = await Promise.all(Array.from({ length: 100 }, (_, n) => browser(n < 10 ? home : at(n)).guess('ada')))
    expect(strangers.filter((answer) => answer === 'unknown')).toHaveLength(30)
  })

  it('is one of few: a drawer full of old cookies guesses no more than the account’s devices together', async () => {
    const { browser } = service()
    const drawer: string[] = []
    const former = browser(home)
    for (let n = 0; n < 50; n++) {
      await former.guess('ada', true)
      drawer.push(former.copy())
    }
    let known = 0
    for (const [n, cookie] of drawer.entries()) {
      for (let times = 0; times < 10; times++) if ((await browser(at(n), cookie).guess('ada')) === 'known') known++
    }
    expect(known).toBe(25)
  })

  it('counts for its address like any other', async () => {
    const { guard } = service({ address: [{ name: 'address', quota: 40, window: 900 }] })
    let allowed = 0
    for (let n = 0; n < 100; n++) {
      const who = `user${n}`
      const attempt = await guard.attempt({ account: who, address: home, device: { id: 'kiosk', account: who } })
      if (attempt.allowed) allowed++
      else expect(attempt.limits).toEqual(['address:address'])
    }
    expect(allowed).toBe(40)
  })

  it('of one account is not the same device of another, however ids and accounts are spelled', async () => {
    const { guard } = service()
    const use = (id: string, who: string) => guard.attempt({ account: who, address: home, device: { id, account: who } })
    for (let n = 0; n < 10; n++) await use('a', 'b c')
    for (const [id, who] of [
      ['a b', 'c'],
      ['a', 'b'],
    ] as const)
      expect(await use(id, who)).toMatchObject({ knownDevice: true })
  })

  it('waits no longer than whichever of its two ways is open first', async () => {
    const { guard, clock } = service({ pair: [{ name: 'pair', quota: 5, window: 3600 }] })
    const identity = { account: 'ada', address: home, device: { id: 'laptop', account: 'ada' } }
    for (let n = 0; n < 15; n++) await guard.attempt(identity)
    const refused = await guard.attempt(identity)
    expect(refused).toEqual({ allowed: false, retryAfter: 90, challenge: false, limits: ['device:device', 'pair:pair'] })
    clock.time += 90_000
    expect(await guard.attempt(identity)).toMatchObject({ allowed: true, knownDevice: true })
  })
})

describe('what an attempt takes', () => {
  const identity = { account: 'ada', address: home }
  const known = { ...identity, device: { id: 'laptop', account: 'ada' } }

  it.each<[string, typeof identity, BruteForceOptions, string[], string[]]>([
    ['a stranger’s', identity, {}, ['account', 'pair', 'budget', 'address'], ['account', 'pair', 'budget']],
    ['a stranger’s without a budget', identity, { budget: [] }, ['account', 'pair', 'address'], ['account', 'pair']],
    ['a known device’s', known, {}, ['device', 'devices', 'address'], ['device', 'devices']],
    ['one of failures alone', identity, { addressCounts: 'failures' }, ['account', 'pair', 'budget', 'address'], []],
  ])('is taken in one call and given back in one, all or nothing: %s', async (_, who, options, taken, back) => {
    const { store, calls } = counted(createMemoryRateLimitStore({ clock: manualClock() }))
    const { guard } = service({ store, budget: [{ name: 'budget', quota: 100, window: 900 }], ...options })
    const attempt = await guard.attempt(who)
    if (attempt.allowed) await attempt.settle('success')
    expect(calls).toEqual([
      { verb: 'consume', sorts: taken, units: 1 },
      { verb: 'adjust', sorts: back.length === 0 ? taken : back, units: -1 },
    ])
  })

  it.each(['success', 'unchecked'] as const)('is given back exactly, bucket by bucket, by %s', async (outcome) => {
    for (const who of [identity, known]) {
      const store = createMemoryRateLimitStore({ clock: manualClock() })
      const { store: seen, full } = counted(store)
      const { guard } = service({ store: seen, addressCounts: 'failures' })
      for (let n = 0; n < 3; n++) await guard.attempt(who)
      const before = full()
      const attempt = await guard.attempt(who)
      expect(full()).not.toEqual(before)
      if (attempt.allowed) await attempt.settle(outcome)
      expect(full()).toEqual(before)
    }
  })

  it('is given back by a right API key to its address as well, and guesses between right ones still count [ASVS 2.4.1]', async () => {
    const { guard } = service({ addressCounts: 'failures', address: [{ name: 'address', quota: 20, window: 900 }] })
    let guesses = 0
    for (let n = 0; n < 200; n++) {
      const own = await guard.attempt({ account: 'mallory', address: home })
      if (own.allowed) await own.settle('success')
      if ((await guard.attempt({ account: `key${n}`, address: home })).allowed) guesses++
    }
    expect(guesses).toBe(20)
  })
})

it.each<[string, BruteForceOptions]>([
  ['devices that one device could use up', { device, devices: [{ name: 'devices', quota: 10, window: 900 }] }],
  ['a word misspelled for what an address counts', { addressCounts: 'failure' as 'failures' }],
  ['a word misspelled for an exhausted budget', { whenExhausted: 'deny' as 'refuse' }],
  ['no failures at all before it is suspicious', { suspiciousAfter: 0 }],
  ['no policy for devices', { device: [] }],
])('%s: refused when it is declared', async (_, options) => {
  expect((await caught(() => createBruteForceGuard(options))).code).toMatch(/^rate_limit\.(policy|options)_invalid$/)
})
