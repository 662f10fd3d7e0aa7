import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { allowWeakParameters, createPasswords, PasswordError, type PasswordErrorCode } from '../src/index.ts'
import { calls, resetCalls, workDone } from './native-calls.ts'

vi.mock('@node-rs/argon2', async (original) => {
  const { countingArgon2 } = await import('./native-calls.ts')
  return countingArgon2(await original<typeof import('@node-rs/argon2')>())
})

const cheap = { memory: 64, iterations: 2, parallelism: 1, [allowWeakParameters]: true as const }
const passwords = createPasswords(cheap)
const work = cheap.memory * cheap.iterations

beforeEach(resetCalls)
afterEach(() => {
  expect(calls.running).toBe(0)
})

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(PasswordError)
  return (error as PasswordError).code
}

describe('hash', () => {
  it('gives argon2id in PHC form, with a new salt each time', async () => {
    const [first, second] = await Promise.all([
      passwords.hash('a long enough password'),
      passwords.hash('a long enough password'),
    ])
    expect(first).toMatch(/^\$argon2id\$v=19\$m=64,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect(second).not.toBe(first)
  })

  it('uses the parameters that OWASP recommends first, when none are given', async () => {
    expect(await createPasswords().hash('a long enough password')).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  })

  it.each([
    ['257 code points', 'x'.repeat(257), 'password.too_long'],
    ['an unpaired surrogate', 'abc\ud800def', 'password.malformed'],
  ])('refuses %s, and says so without the password', async (_, password, code) => {
    const error = await passwords.hash(password).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code, status: 422 })
    expect(String(error)).not.toContain(password)
    expect(calls.list).toEqual([])
  })
})

describe('verify', () => {
  it('accepts the password that was hashed and refuses another', async () => {
    const stored = await passwords.hash('correct-horse-ada-battery')
    expect(await passwords.verify('correct-horse-ada-battery', stored)).toEqual({ ok: true })
    expect(await passwords.verify('correct-horse-ada-batterz', stored)).toMatchObject({
      ok: false,
      reason: { code: 'password.wrong' },
    })
  })

  it.each([
    ['a trailing space', 'Passphrase with case', 'Passphrase with case '],
    ['a leading space', 'Passphrase with case', ' Passphrase with case'],
    ['letter case', 'Passphrase with case', 'passphrase with case'],
    ['a compatibility form (NFKC would join them)', 'ﬁsh and chips and peas', 'fish and chips and peas'],
    ['a final NUL', 'Passphrase with case', 'Passphrase with case\0'],
    ['what follows byte 72 (bcrypt ignores it)', 'a'.repeat(80), `${'a'.repeat(79)}b`],
    ['the last of 256 code points', `${'🐎'.repeat(255)}a`, `${'🐎'.repeat(255)}b`],
  ])('ASVS 6.2.8: tells passwords apart by %s', async (_, password, other) => {
    const stored = await passwords.hash(password)
    expect((await passwords.verify(password, stored)).ok).toBe(true)
    expect((await passwords.verify(other, stored)).ok).toBe(false)
  })

  it('takes composed and decomposed spellings of one password for the same (NFC)', async () => {
    const stored = await passwords.hash('Ångström café')
    expect((await passwords.verify('Ångström café'.normalize('NFD'), stored)).ok).toBe(true)
  })

  it('counts length in code points after normalisation, so that 256 decomposed letters are still accepted', async () => {
    const password = 'é'.repeat(256)
    const stored = await passwords.hash(password)
    expect((await passwords.verify(password.normalize('NFD'), stored)).ok).toBe(true)
  })
})

describe('equal work', () => {
  it('account enumeration by time: an unknown account costs the argon2 work of a known one', async () => {
    const stored = await passwords.hash('correct-horse-ada-battery')
    resetCalls()
    await passwords.verify('wrong', stored)
    const known = calls.list
    resetCalls()
    expect(await passwords.verify('wrong', undefined)).toMatchObject({ ok: false, reason: { code: 'password.account_unknown' } })
    expect(calls.list).toEqual(known)
  })

  it.each([
    ['a megabyte', 'x'.repeat(1_000_000), 'password.too_long'],
    ['an unpaired surrogate', '\udfff', 'password.malformed'],
    ['a number from a JSON body', 12345678 as unknown as string, 'password.malformed'],
    ['nothing from a JSON body', undefined as unknown as string, 'password.malformed'],
  ])('%s is refused as a value, for known and unknown accounts alike, at the price of one hash', async (_, password, code) => {
    const stored = await passwords.hash('correct-horse-ada-battery')
    for (const account of [stored, undefined]) {
      resetCalls()
      expect(await passwords.verify(password, account)).toMatchObject({ ok: false, reason: { code } })
      expect(calls.list).toEqual([{ kind: 'argon2', units: work }])
    }
  })

  it.each([
    ['iterations', { memory: 64, iterations: 5 }],
    ['memory', { memory: 200, iterations: 2 }],
    ['both', { memory: 128, iterations: 3 }],
  ])('after %s rose, a wrong password costs the same for an old hash as for an unknown account', async (_, raised) => {
    const old = await passwords.hash('correct-horse-ada-battery')
    const now = createPasswords({ ...cheap, ...raised })
    resetCalls()
    await now.verify('wrong', undefined)
    const unknown = workDone()['argon2']!
    resetCalls()
    await now.verify('wrong', old)
    expect(Math.abs(workDone()['argon2']! - unknown)).toBeLessThanOrEqual(raised.memory / 2)
  })
})

describe('rehash', () => {
  const raised = createPasswords({ ...cheap, iterations: 3 })

  it('comes with the right password when parameters rose, verifies it, and is not offered again', async () => {
    const old = await passwords.hash('correct-horse-ada-battery')
    const first = await raised.verify('correct-horse-ada-battery', old)
    if (!first.ok || first.rehash === undefined) throw new TypeError('expected a rehash')
    expect(first.rehash).toContain('$m=64,t=3,p=1$')
    expect(await raised.verify('correct-horse-ada-battery', first.rehash)).toEqual({ ok: true })
  })

  it('never comes with a wrong password', async () => {
    expect(await raised.verify('wrong', await passwords.hash('right'))).not.toHaveProperty('rehash')
  })

  it('does not weaken a hash that is stronger than the parameters of today', async () => {
    expect(await createPasswords(cheap).verify('right', await raised.hash('right'))).toEqual({ ok: true })
  })
})

describe('stored hashes', () => {
  const salt = 'c29tZXNhbHRzb21lc2FsdA'
  const tag = 'CTFhFdXPJO1aFaMaOjJumzLt3CSYccAsAra1QGdZMgA'

  it.each<[string, string, PasswordErrorCode]>([
    [
      'm=4294967295,t=4294967295 (seen in an imported hash: the native verify never returns)',
      `$argon2id$v=19$m=4294967295,t=4294967295,p=1$${salt}$${tag}`,
      'password.hash_out_of_bounds',
    ],
    ['memory over the ceiling', `$argon2id$v=19$m=131073,t=2,p=1$${salt}$${tag}`, 'password.hash_out_of_bounds'],
    ['iterations over the ceiling', `$argon2id$v=19$m=64,t=11,p=1$${salt}$${tag}`, 'password.hash_out_of_bounds'],
    ['lanes over the ceiling', `$argon2id$v=19$m=131072,t=2,p=9$${salt}$${tag}`, 'password.hash_out_of_bounds'],
    ['less memory than its lanes need', `$argon2id$v=19$m=15,t=2,p=2$${salt}$${tag}`, 'password.hash_out_of_bounds'],
    [
      'a parameter twice, the second one huge',
      `$argon2id$v=19$m=64,t=2,p=1,t=4294967295$${salt}$${tag}`,
      'password.hash_malformed',
    ],
    ['no iterations', `$argon2id$v=19$m=64,t=0,p=1$${salt}$${tag}`, 'password.hash_malformed'],
    ['a leading zero', `$argon2id$v=19$m=064,t=2,p=1$${salt}$${tag}`, 'password.hash_malformed'],
    ['a negative number', `$argon2id$v=19$m=-64,t=2,p=1$${salt}$${tag}`, 'password.hash_malformed'],
    ['a four-byte tag, which chance could match', `$argon2id$v=19$m=64,t=2,p=1$${salt}$AAAAAA`, 'password.hash_malformed'],
    ['a megabyte of salt', `$argon2id$v=19$m=64,t=2,p=1$${'A'.repeat(1_000_000)}$${tag}`, 'password.hash_malformed'],
    ['no tag', `$argon2id$v=19$m=64,t=2,p=1$${salt}`, 'password.hash_malformed'],
    ['a line break at the end', `$argon2id$v=19$m=64,t=2,p=1$${salt}$${tag}\n`, 'password.hash_malformed'],
    ['an empty string', '', 'password.hash_malformed'],
    ['a version that argon2 does not have', `$argon2id$v=20$m=64,t=2,p=1$${salt}$${tag}`, 'password.hash_malformed'],
    ['crypt with MD5', '$1$abcdefgh$J8LQoZLQxfHHnJtLkWHWt/', 'password.hash_unsupported'],
    ['crypt with SHA-512', '$6$rounds=5000$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO', 'password.hash_unsupported'],
    ["Django's unsalted MD5, which is to be wrapped", 'md5$$5f4dcc3b5aa765d61d8327deb882cf99', 'password.hash_unsupported'],
    ['a bare digest', '5f4dcc3b5aa765d61d8327deb882cf99', 'password.hash_malformed'],
  ])('refuses %s before any native call', async (_, stored, code) => {
    const error = await passwords.verify('anything', stored).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code })
    expect(calls.list).toEqual([])
    expect(stored === '' || !String((error as Error).message).includes(salt)).toBe(true)
  })

  it('accepts no more than the ceilings it was given', async () => {
    const strict = createPasswords({ ...cheap, limits: { memory: 64, iterations: 2, parallelism: 1 } })
    const stored = await createPasswords({ ...cheap, iterations: 3 }).hash('right')
    expect(await codeOf(strict.verify('right', stored))).toBe('password.hash_out_of_bounds')
  })
})

describe('a storm of sign-ins', () => {
  it('runs no more hashes at once than the gate has places', async () => {
    const { processGate } = await import('../src/gate.ts')
    const stored = await passwords.hash('right')
    resetCalls()
    await Promise.all(Array.from({ length: 32 }, (_, i) => passwords.verify('wrong', i % 2 ? stored : undefined)))
    expect(calls.list).toHaveLength(32)
    expect(calls.most).toBeLessThanOrEqual(processGate().size)
  })
})

describe('createPasswords', () => {
  it.each([
    ['parameters below the weakest of OWASP', { memory: 7168, iterations: 4 }],
    ['memory below the weakest of OWASP', { memory: 4096, iterations: 100 }],
    ['a fraction', { iterations: 2.5 }],
    ['less memory than the lanes need', { memory: 64, parallelism: 9, [allowWeakParameters]: true as const }],
    ['a length that keeps pass phrases out (ASVS 6.2.9)', { maxLength: 63 }],
    ['ceilings below its own parameters', { limits: { memory: 19_455 } }],
  ])('refuses %s', (_, options) => {
    expect(() => createPasswords(options)).toThrow(expect.objectContaining({ code: 'password.options_invalid' }))
  })

  it('lifts the default ceilings to its own parameters', async () => {
    const many = createPasswords({ ...cheap, iterations: 12 })
    expect((await many.verify('right', await many.hash('right'))).ok).toBe(true)
  })
})
