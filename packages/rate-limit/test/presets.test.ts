import { describe, expect, it } from 'vitest'
import { type BruteForcePresets, createBruteForceGuard, createMemoryRateLimitStore, presets } from '../src/index.ts'
import { manualClock } from './support.ts'

const names = Object.keys(presets) as (keyof BruteForcePresets)[]
const hours = 3_600_000
const at = (n: number): string => `198.51.${n >> 8}.${n & 255}`

describe('growing delays', () => {
  it.each([
    ['signIn', [90, 240, 1080]],
    ['secondFactor', [180, 8640]],
    ['deviceCodes', [180, 8640]],
    ['reset', [300, 720, 2700]],
  ] as const)('who keeps on failing at one account waits longer and longer: %s, in seconds', async (preset, steps) => {
    const address = [{ name: 'wide', quota: 10_000, window: 1 }]
    // A device that has used its own limit up falls back on the pair’s: here that is gone for good after one.
    const gone = { pair: [{ name: 'gone', quota: 1, window: 366 * 86_400 }], device: { id: 'laptop', account: 'ada' } }
    for (const { device, ...options } of [{ device: undefined }, gone]) {
      const clock = manualClock()
      const guard = createBruteForceGuard({ ...presets[preset], clock, address, ...options })
      const waits: number[] = []
      for (let n = 0; n < 60; n++) {
        const attempt = await guard.attempt({ account: 'ada', address: '192.0.2.1', device })
        if (attempt.allowed) continue
        waits.push(attempt.retryAfter)
        clock.time += attempt.retryAfter * 1000
      }
      expect(waits).toEqual(waits.toSorted((a, b) => a - b))
      expect([waits[0], ...steps.slice(1).filter((step) => waits.includes(step))]).toEqual(steps)
      expect(waits.at(-1)).toBe(steps.at(-1))
    }
  })

  it('end: after a day without guesses everything is as it was', async () => {
    for (const preset of names) {
      const clock = manualClock()
      const guard = createBruteForceGuard({ ...presets[preset], clock })
      const burst = async (): Promise<number> => {
        let n = 0
        while ((await guard.attempt({ account: 'ada', address: '192.0.2.1' })).allowed) n++
        return n
      }
      const first = await burst()
      clock.time += 24 * hours
      expect(await burst()).toBe(first)
    }
  })
})

describe('presets', () => {
  it('are what a guard does that is told nothing: signIn', async () => {
    const told = createBruteForceGuard({ ...presets.signIn, clock: manualClock() })
    const untold = createBruteForceGuard({ clock: manualClock() })
    for (let n = 0; n < 30; n++) {
      const identity = { account: 'ada', address: at(n % 2) }
      const answers = await Promise.all([told, untold].map((guard) => guard.attempt(identity)))
      expect(JSON.stringify(answers[0])).toBe(JSON.stringify(answers[1]))
    }
  })

  it('share one store without meeting each other', async () => {
    const store = createMemoryRateLimitStore({ clock: manualClock() })
    const guards = names.map((preset) => createBruteForceGuard({ ...presets[preset], store }))
    for (const guard of guards) for (let n = 0; n < 500; n++) await guard.attempt({ account: 'ada', address: '192.0.2.1' })
    const others = createBruteForceGuard({ ...presets.signIn, name: 'other', store })
    expect(await others.attempt({ account: 'ada', address: '192.0.2.1' })).toMatchObject({ allowed: true, suspicious: false })
  })

  it('cannot be changed for everybody by somebody', () => {
    for (const preset of names) {
      expect(() => Object.assign(presets[preset], { account: [] })).toThrow(TypeError)
      expect(() => Object.assign(presets[preset].account[0]!, { quota: 1e9 })).toThrow(TypeError)
    }
  })

  it.each(names)('have a budget that could refuse: no one address uses it up, in %s', (preset) => {
    expect(() => createBruteForceGuard({ ...presets[preset], whenExhausted: 'refuse' })).not.toThrow()
  })

  // Each day of an attack without a pause; a day's burst is on top of the first.
  it.each([
    ['secondFactor', 'guesses at one account’s codes, out of band or from an app, its known devices included [ASVS 6.6.3]', 60],
    ['deviceCodes', 'guesses at user codes (RFC 8628 §5.1)', 60],
    ['reset', 'mails to one account, and guesses at its codes [ASVS 6.6.3]', 160],
  ] as const)('of %s hold in a day that is all attack, after the first: %s', async (preset, _, most) => {
    const clock = manualClock()
    const guard = createBruteForceGuard({ ...presets[preset], clock })
    const day = async (): Promise<number> => {
      let checked = 0
      for (let step = 0; step < 24 * 4; step++) {
        for (let n = 0; n < 60; n++) {
          const device = n % 6 === 0 ? { id: `device${n}`, account: 'ada' } : undefined
          if ((await guard.attempt({ account: 'ada', address: at(n), device })).allowed) checked++
        }
        clock.time += hours / 4
      }
      return checked
    }
    await day()
    expect(await day()).toBeLessThanOrEqual(most)
  })

  it('let an API client work: 100 requests under way at once, 10 times over, from one address [ASVS 2.4.1]', async () => {
    const guard = createBruteForceGuard({ ...presets.apiKeys, clock: manualClock() })
    for (let round = 0; round < 10; round++) {
      const attempts = await Promise.all(
        Array.from({ length: 100 }, () => guard.attempt({ account: 'pk_1', address: '192.0.2.1' })),
      )
      for (const attempt of attempts) {
        expect(attempt).toMatchObject({ allowed: true, suspicious: false })
        if (attempt.allowed) await attempt.settle('success')
      }
    }
  })

  it('let no client guess at API keys: one address tries 300, whatever it has right in between [ASVS 2.4.1]', async () => {
    const guard = createBruteForceGuard({ ...presets.apiKeys, clock: manualClock() })
    let guesses = 0
    for (let n = 0; n < 1000; n++) {
      const own = await guard.attempt({ account: 'pk_own', address: '192.0.2.1' })
      if (own.allowed) await own.settle('success')
      if ((await guard.attempt({ account: `pk_${n}`, address: '192.0.2.1' })).allowed) guesses++
    }
    expect(guesses).toBe(300)
  })
})
