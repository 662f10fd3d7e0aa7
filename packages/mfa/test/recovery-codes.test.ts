import { createMemoryStore, type Store } from '@portcullis/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { createRecoveryCodes, type RecoveryCodes, type RecoveryCodesOptions } from '../src/recovery-codes.ts'
import { eventsOf, type HandClock, timeAt } from './fixture.ts'

const start = 1_800_000_000_000
const form = /^([0-9A-HJKMNP-TV-Z]{4}-){6}[0-9A-HJKMNP-TV-Z]{4}$/

let clock: HandClock
let store: Store
let recovery: RecoveryCodes

beforeEach(() => {
  clock = timeAt(start)
  store = createMemoryStore({ clock })
  recovery = make()
})

function make(options: Partial<RecoveryCodesOptions> = {}): RecoveryCodes {
  return createRecoveryCodes({ store, clock, ...options })
}

const refusal = (code: string): object => ({ ok: false, reason: { code } })

describe('recovery codes', () => {
  it('are ten, of 140 bits each, and never the same (ASVS 6.5.2, 6.5.3)', async () => {
    const codes = [...(await recovery.generate('ada')), ...(await recovery.generate('bob'))]
    expect(codes).toHaveLength(20)
    expect(new Set(codes).size).toBe(20)
    for (const code of codes) expect(code).toMatch(form)
    expect(5 * codes[0]!.replaceAll('-', '').length).toBeGreaterThanOrEqual(112)
  })

  it('use every character alike', async () => {
    const text = (await Promise.all(Array.from({ length: 50 }, () => recovery.generate('ada')))).flat().join('')
    const counts = new Map<string, number>()
    for (const character of text.replaceAll('-', '')) counts.set(character, (counts.get(character) ?? 0) + 1)
    expect(counts.size).toBe(32)
    // 14,000 characters: 437 of each, with a deviation of 21.
    for (const count of counts.values()) expect(Math.abs(count - 437.5)).toBeLessThan(170)
  })

  it('work once each, and say how many are left (ASVS 6.5.1)', async () => {
    const codes = await recovery.generate('ada')
    const proof = { method: 'recovery_code', at: start / 1000 }
    expect(await recovery.verify('ada', codes[3]!)).toEqual({ ok: true, remaining: 9, proof })
    expect(await recovery.verify('ada', codes[3]!)).toMatchObject(refusal('mfa.code_wrong'))
    expect(await recovery.verify('ada', codes[0]!)).toMatchObject({ ok: true, remaining: 8 })
    expect(await recovery.status('ada')).toEqual({ remaining: 8, madeAt: start })
    expect(await recovery.status('bob')).toBeUndefined()
  })

  it('are void when new ones are made', async () => {
    const [old = ''] = await recovery.generate('ada')
    const [fresh = ''] = await recovery.generate('ada')
    expect(await recovery.verify('ada', old)).toMatchObject(refusal('mfa.code_wrong'))
    expect(await recovery.verify('ada', fresh)).toMatchObject({ ok: true, remaining: 9 })
  })

  it('are read as people copy them from paper', async () => {
    const codes = await recovery.generate('ada')
    const copied = [
      codes[0]!.toLowerCase(),
      codes[1]!.replaceAll('-', ''),
      ` ${codes[2]!.replaceAll('-', '  ')}\n`,
      codes[3]!.replaceAll('0', 'O').replaceAll('1', 'l'),
    ]
    for (const code of copied) expect(await recovery.verify('ada', code)).toMatchObject({ ok: true })
  })

  it.each(['', '1234', 'U'.repeat(28), 'A'.repeat(29), 'A'.repeat(10_000), 1 as unknown as string])(
    'refuses %j for its form',
    async (code) => {
      await recovery.generate('ada')
      expect(await recovery.verify('ada', code)).toMatchObject(refusal('mfa.code_malformed'))
    },
  )

  it("somebody else's are wrong, and an account without any has none", async () => {
    const [code = ''] = await recovery.generate('ada')
    await recovery.generate('mallory')
    expect(await recovery.verify('mallory', code)).toMatchObject(refusal('mfa.code_wrong'))
    expect(await recovery.verify('bob', code)).toMatchObject(refusal('mfa.not_enrolled'))
  })

  it('a stolen database holds none, and a row moved to another account opens nothing there', async () => {
    const codes = await recovery.generate('ada')
    const rows = store.collection<{ left: string[]; madeAt: number }>({ name: 'mfa.recovery_codes' })
    const kept = (await rows.get('ada'))!.value
    for (const code of codes) {
      expect(JSON.stringify(kept)).not.toContain(code)
      expect(JSON.stringify(kept)).not.toContain(code.replaceAll('-', ''))
    }
    await rows.create('mallory', kept)
    expect(await recovery.verify('mallory', codes[0]!)).toMatchObject(refusal('mfa.code_wrong'))
  })

  it('are removed on demand (ASVS 6.5.6)', async () => {
    const [code = ''] = await recovery.generate('ada')
    expect(await recovery.remove('ada')).toBe(true)
    expect(await recovery.remove('ada')).toBe(false)
    expect(await recovery.verify('ada', code)).toMatchObject(refusal('mfa.not_enrolled'))
  })

  it('tell when one is used and when few are left, and never what they are', async () => {
    recovery = make({ count: 5, low: 3 })
    let codes: readonly string[] = []
    const events = await eventsOf(async () => {
      codes = await recovery.generate('ada')
      await recovery.verify('ada', codes[0]!)
      await recovery.verify('ada', codes[0]!)
      await recovery.verify('ada', codes[1]!)
      await recovery.generate('ada')
    })
    expect(events.map(({ type, data }) => ({ type, ...data }))).toEqual([
      { type: 'mfa.enrolled', account: 'ada', factor: 'recovery_code', replaced: false },
      { type: 'mfa.verified', account: 'ada', factor: 'recovery_code' },
      { type: 'mfa.recovery_code_used', account: 'ada', remaining: 4 },
      { type: 'mfa.refused', account: 'ada', factor: 'recovery_code', code: 'mfa.code_wrong' },
      { type: 'mfa.verified', account: 'ada', factor: 'recovery_code' },
      { type: 'mfa.recovery_code_used', account: 'ada', remaining: 3 },
      { type: 'mfa.recovery_codes_low', account: 'ada', remaining: 3 },
      { type: 'mfa.enrolled', account: 'ada', factor: 'recovery_code', replaced: true },
    ])
    for (const code of codes) expect(JSON.stringify(events)).not.toContain(code)
  })

  it.each<[string, Partial<RecoveryCodesOptions>]>([
    ['one code', { count: 1 }],
    ['a hundred', { count: 100 }],
    ['a warning from the first', { low: 10 }],
  ])('refuses %s', (_, options) => {
    expect(() => make(options)).toThrow(expect.objectContaining({ code: 'mfa.options_invalid' }))
  })
})
