import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { allowWeakParameters, createPasswords } from '../src/index.ts'
import { calls, resetCalls } from './native-calls.ts'

vi.mock('@node-rs/argon2', async (original) => {
  const { countingArgon2 } = await import('./native-calls.ts')
  return countingArgon2(await original<typeof import('@node-rs/argon2')>())
})

const cheap = { memory: 64, iterations: 2, parallelism: 1, [allowWeakParameters]: true as const }
const keys = { p1: randomBytes(32), p2: randomBytes(32) }
const plain = createPasswords(cheap)
const first = createPasswords({ ...cheap, pepper: { current: 'p1', keys: { p1: keys.p1 } } })
const rotated = createPasswords({ ...cheap, pepper: { current: 'p2', keys } })
const afterwards = createPasswords({ ...cheap, pepper: { current: 'p2', keys: { p2: keys.p2 } } })

beforeEach(resetCalls)

describe('ASVS 11.4.2: the pepper', () => {
  it('hides the hash from whoever has the database alone, and names its key', async () => {
    const stored = await first.hash('correct-horse-ada-battery')
    expect(stored).toMatch(/^\$sealed\$v1\.p1\.[\w-]{100,220}$/)
    expect(Buffer.from(stored.split('.')[2]!, 'base64url').toString('latin1')).not.toContain('argon2id')
    expect(stored.length).toBeLessThan(255)
    expect(await first.verify('correct-horse-ada-battery', stored)).toEqual({ ok: true })
    expect((await first.verify('correct-horse-bob-battery', stored)).ok).toBe(false)
  })

  it('rotates without a password and without hashing', async () => {
    const stored = await first.hash('correct-horse-ada-battery')
    resetCalls()
    const rewrapped = rotated.rewrap(stored)
    expect(rewrapped).toMatch(/^\$sealed\$v1\.p2\./)
    expect(rotated.rewrap(rewrapped!)).toBeUndefined()
    expect(calls.list).toEqual([])
    expect(await afterwards.verify('correct-horse-ada-battery', rewrapped)).toEqual({ ok: true })
    expect((await afterwards.verify('wrong', rewrapped)).ok).toBe(false)
  })

  it.each([
    ['argon2id', undefined],
    ['bcrypt', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
    ['PBKDF2', 'pbkdf2_sha256$1$salt$Eg+2z/z4sgQxUqc6cK8BoP3MlMNu5HoTkZdbMZhiJMo='],
  ])('is put around hashes that had none: %s', async (_, imported) => {
    const password = 'U*U'
    const stored = imported ?? (await plain.hash(password))
    const sealed = first.rewrap(stored)
    expect(sealed).toMatch(/^\$sealed\$v1\.p1\./)
    expect((await first.verify('U*V', sealed)).ok).toBe(false)
    if (imported?.startsWith('pbkdf2')) return
    const verified = await first.verify(password, sealed)
    expect(verified).toEqual(imported === undefined ? { ok: true } : { ok: true, rehash: expect.stringMatching(/^\$sealed\$/) })
  })

  it('is put on by the next sign-in too, and brought up to date by it, at the price of one hash', async () => {
    for (const stored of [await plain.hash('right'), await first.hash('right')]) {
      resetCalls()
      const verified = await rotated.verify('right', stored)
      expect(calls.list).toHaveLength(1)
      if (!verified.ok || verified.rehash === undefined) throw new TypeError('expected a rehash')
      expect(verified.rehash).toMatch(/^\$sealed\$v1\.p2\./)
      expect(await rotated.verify('right', verified.rehash)).toEqual({ ok: true })
    }
  })

  it('a hash whose key is missing is an error, and no wrong password', async () => {
    const stored = await first.hash('right')
    resetCalls()
    for (const without of [plain, afterwards]) {
      await expect(without.verify('right', stored)).rejects.toMatchObject({ code: 'password.pepper_unknown' })
      expect(() => without.rewrap(stored)).toThrow(expect.objectContaining({ code: 'password.pepper_unknown' }))
    }
    expect(calls.list).toEqual([])
  })

  it('without a pepper there is nothing to wrap', async () => {
    expect(plain.rewrap(await plain.hash('right'))).toBeUndefined()
  })

  it.each<[string, (stored: string) => string]>([
    ['a changed byte', (stored) => stored.replace(/.{4}$/, (end) => (end === 'AAAA' ? 'BBBB' : 'AAAA'))],
    ['a key id moved to another key', (stored) => stored.replace('.p1.', '.p2.')],
    ['a seal cut short', (stored) => stored.slice(0, 30)],
    ['a megabyte', (stored) => stored + 'A'.repeat(1_000_000)],
    ['nothing behind the scheme', () => '$sealed$'],
  ])('%s is an error, and nothing is computed', async (_, tamper) => {
    const stored = tamper(await first.hash('right'))
    resetCalls()
    const error = await rotated.verify('right', stored).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'password.seal_broken' })
    expect(calls.list).toEqual([])
  })

  it('a hash that somebody with the key sealed is held against the ceilings like any other', () => {
    const monster =
      '$argon2id$v=19$m=4294967295,t=4294967295,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaOjJumzLt3CSYccAsAra1QGdZMgA'
    expect(() => first.rewrap(monster)).toThrow(expect.objectContaining({ code: 'password.hash_out_of_bounds' }))
  })

  it('required: whoever can write to the user table can put no hash of his own there', async () => {
    const strict = createPasswords({ ...cheap, pepper: { current: 'p1', keys, required: true } })
    await expect(strict.verify('his', await plain.hash('his'))).rejects.toMatchObject({ code: 'password.hash_unsealed' })
    expect((await strict.verify('right', await strict.hash('right'))).ok).toBe(true)
  })

  it.each([
    ['no current key', { current: 'p3', keys }],
    ['a key of another length', { current: 'p1', keys: { p1: randomBytes(16) } }],
    ['a key id that does not fit into what is stored', { current: 'p.1', keys: { 'p.1': randomBytes(32) } }],
  ])('refuses %s', (_, pepper) => {
    expect(() => createPasswords({ pepper })).toThrow(expect.objectContaining({ code: 'password.options_invalid' }))
  })
})
