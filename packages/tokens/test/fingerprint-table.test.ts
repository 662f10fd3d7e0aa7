import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { FingerprintTable } from '../src/fingerprint-table.ts'

const NOW = 1_800_000_000

describe('a table of fingerprints', () => {
  it('finds everything that is in it, and nothing else, as a map does', () => {
    const table = new FingerprintTable({ keptFor: 0 })
    const model = new Map<string, number>()
    let now = NOW
    for (let step = 0; step < 50_000; step++) {
      const id = `id-${Math.floor(Math.random() * 5000)}`
      const until = now + Math.floor(Math.random() * 400)
      table.raise(id, until, now)
      if (until > now) model.set(id, Math.max(until, model.get(id) ?? 0))
      if (step % 50 === 0) now += 1
      const asked = `id-${Math.floor(Math.random() * 6000)}`
      const expected = model.get(asked) ?? 0
      expect(table.get(asked, now)).toBe(expected > now ? expected : 0)
    }
  })

  it.each([
    ['numbers that count up', (n: number) => String(n)],
    ['ids that differ in their last characters', (n: number) => `https://login.example.com/users/${n}`],
    ['ids that differ in their first characters', (n: number) => `${n}@a-very-long-domain-of-a-customer.example.com`],
    ['zeros', (n: number) => '0'.repeat(n % 3000) + Math.floor(n / 3000)],
    ['UUIDs', () => randomUUID()],
    ['letters beyond Latin', (n: number) => String.fromCodePoint(0x4e00 + (n % 20_000)) + Math.floor(n / 20_000)],
  ])('takes none of 20,000 ids for one of 20,000 others: %s', (_what, id) => {
    const table = new FingerprintTable({ keptFor: 0 })
    for (let n = 0; n < 40_000; n += 2) table.raise(id(n), NOW + 1, NOW)
    expect(table.size).toBe(20_000)
    let taken = 0
    for (let n = 1; n < 40_000; n += 2) if (table.get(id(n), NOW) !== 0) taken += 1
    expect(taken).toBe(0)
  })

  it('tells ids apart that differ in a NUL, in their case or in their order', () => {
    const table = new FingerprintTable({ keptFor: 0 })
    table.raise('ab', NOW + 1, NOW)
    for (const id of ['ab\0', '\0ab', 'AB', 'ba', 'a', 'b', '', 'abab']) expect(table.get(id, NOW)).toBe(0)
  })

  it('takes at most 48 bytes an entry, 32 while nothing expires, and nothing when empty', () => {
    const table = new FingerprintTable({ keptFor: 0 })
    expect(table.bytes).toBe(0)
    for (let n = 0; n < 100_000; n++) {
      table.raise(`id-${n}`, NOW + 1, NOW)
      if (n > 1000) expect(table.bytes / table.size).toBeLessThanOrEqual(32.1)
    }
  })

  it('gives back the memory of what is over, at the next look', () => {
    const table = new FingerprintTable({ keptFor: 10 })
    for (let n = 0; n < 10_000; n++) table.raise(`id-${n}`, NOW, NOW)
    expect(table.get('id-1', NOW + 9)).toBe(NOW)
    expect(table.get('id-1', NOW + 10)).toBe(0)
    expect([table.size, table.bytes]).toEqual([0, 0])
  })

  it('shrinks when a wave is over and a few are left', () => {
    const table = new FingerprintTable({ keptFor: 0 })
    for (let n = 0; n < 40_000; n++) table.raise(`id-${n}`, NOW + (n < 10 ? 1000 : 10), NOW)
    const before = table.bytes
    table.compact(NOW + 20)
    expect(table.size).toBe(10)
    expect(table.bytes).toBeLessThan(before / 100)
    for (let n = 0; n < 10; n++) expect(table.get(`id-${n}`, NOW + 20)).toBe(NOW + 1000)
  })

  it('never lowers a number', () => {
    const table = new FingerprintTable({ keptFor: 0 })
    expect(table.raise('a', NOW + 10, NOW)).toBe(true)
    expect(table.raise('a', NOW + 5, NOW)).toBe(false)
    expect(table.raise('a', NOW + 10, NOW)).toBe(false)
    expect(table.get('a', NOW)).toBe(NOW + 10)
  })
})
