import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createSealer } from '../src/index.ts'

const keys = { old: randomBytes(32), new: randomBytes(32) }
const sealer = createSealer({ current: 'new', keys })
const secret = new TextEncoder().encode('the secret')

describe('sealer', () => {
  it('opens what it sealed', () => {
    expect(sealer.open(sealer.seal(secret, 'a'), 'a')).toEqual(secret)
  })

  it('opens what an older key sealed, and says that it is stale', () => {
    const sealed = createSealer({ current: 'old', keys: { old: keys.old } }).seal(secret, 'a')
    expect(sealer.open(sealed, 'a')).toEqual(secret)
    expect(sealer.isStale(sealed)).toBe(true)
    expect(sealer.isStale(sealer.seal(secret, 'a'))).toBe(false)
  })

  it('never seals twice alike', () => {
    expect(sealer.seal(secret, 'a')).not.toBe(sealer.seal(secret, 'a'))
  })

  it.each([
    ['for another context', (sealed: string) => [sealed, 'b'], 'core.seal_broken'],
    ['changed', (sealed: string) => [`${sealed.slice(0, -2)}${sealed.endsWith('AA') ? 'BB' : 'AA'}`, 'a'], 'core.seal_broken'],
    ['cut', (sealed: string) => [sealed.slice(0, 20), 'a'], 'core.seal_broken'],
    ['under another key id', (sealed: string) => [sealed.replace('.new.', '.old.'), 'a'], 'core.seal_broken'],
    ['under an unknown key id', (sealed: string) => [sealed.replace('.new.', '.gone.'), 'a'], 'core.sealing_key_unknown'],
    ['in no form at all', () => ['hello', 'a'], 'core.seal_broken'],
  ])('does not open what is %s', (_, change, code) => {
    const [sealed = '', context = ''] = change(sealer.seal(secret, 'a'))
    expect(() => sealer.open(sealed, context)).toThrowError(expect.objectContaining({ code }))
  })

  it.each([
    [{ current: 'a', keys: {} }],
    [{ current: 'a', keys: { a: randomBytes(16) } }],
    [{ current: 'a.b', keys: { 'a.b': randomBytes(32) } }],
  ])('refuses keys that can not seal', (options) => {
    expect(() => createSealer(options)).toThrowError(expect.objectContaining({ code: 'core.sealing_key_invalid' }))
  })
})
