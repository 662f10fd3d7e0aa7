import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { signExtended } from '../src/bcrypt.ts'
import { allowWeakParameters, createPasswords, type OldDigest, type PasswordErrorCode } from '../src/index.ts'
import { calls, resetCalls } from './native-calls.ts'

vi.mock('@node-rs/argon2', async (original) => {
  const { countingArgon2 } = await import('./native-calls.ts')
  return countingArgon2(await original<typeof import('@node-rs/argon2')>())
})
vi.mock('@node-rs/bcrypt', async (original) => {
  const { countingBcrypt } = await import('./native-calls.ts')
  return countingBcrypt(await original<typeof import('@node-rs/bcrypt')>())
})
vi.mock('node:crypto', async (original) => {
  const { countingCrypto } = await import('./native-calls.ts')
  return countingCrypto(await original<typeof import('node:crypto')>())
})

const cheap = { memory: 64, iterations: 2, parallelism: 1, [allowWeakParameters]: true as const }
// A new one for each test: they learn what is stored.
let passwords = createPasswords(cheap)

beforeEach(() => {
  passwords = createPasswords(cheap)
  resetCalls()
})

/** Nobody here made these: they are from the test suites of other implementations, or were made with Python's hashlib. */
const others: readonly (readonly [string, string, string])[] = [
  ['bcrypt $2a$ (crypt_blowfish)', 'U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['bcrypt $2b$', 'U*U', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['bcrypt $2y$', 'U*U', '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['bcrypt $2x$ of ASCII', 'U*U', '$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['bcrypt $2x$ of a Cyrillic letter (crypt_blowfish)', 'ё', '$2x$05$6bNw2HLQYeqHYyBfLMsv/OiwqTymGIGzFsA4hOTWebfehXHNprcAS'],
  ['bcrypt of an empty password', '', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy'],
  ["Django's bcrypt", 'U*U', 'bcrypt$$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  [
    'scrypt in PHC form (RFC 7914, the second vector)',
    'password',
    '$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA',
  ],
  [
    "Django's scrypt",
    'password',
    'scrypt$1024$NaCl$8$16$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA==',
  ],
  [
    "Django's PBKDF2 (passlib)",
    'not a password',
    'pbkdf2_sha256$10000$kjVJaVz6qsnJ$5yPHw3rwJGECpUf70daLGhOrQ5+AMxIJdz1c3bqK1Rs=',
  ],
  ["Django's PBKDF2 with SHA-1", 'password', 'pbkdf2_sha1$2$salt$6mwBTcctb4zNHtkqzh1B8NjeiVc='],
  ["passlib's PBKDF2", 'password', '$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ'],
  [
    'PBKDF2 in PHC form',
    'password',
    '$pbkdf2-sha256$i=1212,l=32$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg+fJPeq1h/gXXY7acBp9/6c+tmQ',
  ],
  ["passlib's PBKDF2 with SHA-1 (RFC 6070)", 'password', '$pbkdf2$4096$c2FsdA$SwB5AbdlSJq.rUnZJvch0GWkKcE'],
  [
    "passlib's PBKDF2 with SHA-512",
    'password',
    '$pbkdf2-sha512$1$c2FsdA$hn9wzxreAs/zdSWZo6U9xK80x6ZpgVrl1RNVThyM8lLALUcKKFoFAbrZmb/pQ8CPBQI119aLHaVeY/c7YKV/zg',
  ],
  [
    'argon2i version 16, which names no version (the reference implementation)',
    'password',
    '$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ',
  ],
  [
    'argon2i version 19 (the reference implementation)',
    'password',
    '$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA',
  ],
  [
    "Django's argon2 (the reference implementation)",
    'password',
    'argon2$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
  ],
]

describe('imported hashes', () => {
  it.each(others)('ASVS 11.4.2: %s is verified, and migrated by the sign-in', async (_, password, stored) => {
    const first = await passwords.verify(password, stored)
    if (!first.ok || first.rehash === undefined) throw new TypeError('expected a rehash')
    expect(first.rehash).toMatch(/^\$argon2id\$v=19\$m=64,t=2,p=1\$/)
    expect(await passwords.verify(password, first.rehash)).toEqual({ ok: true })
  })

  it.each(others)('%s takes no other password', async (_, password, stored) => {
    expect(await passwords.verify(`${password}!`, stored)).toMatchObject({ ok: false, reason: { code: 'password.wrong' } })
  })

  it('a password is compared as received, as the old system did, though new hashes are made of its NFC form', async () => {
    const decomposed = 'café'.normalize('NFD')
    const stored = `pbkdf2_sha256$1$salt$${pbkdf2(decomposed)}`
    const verified = await passwords.verify(decomposed, stored)
    if (!verified.ok || verified.rehash === undefined) throw new TypeError('expected a rehash')
    expect((await passwords.verify('café'.normalize('NFC'), verified.rehash)).ok).toBe(true)
  })

  it('bcrypt ignores what follows byte 72: the old hash does, the hash that replaces it does not', async () => {
    const long = 'a'.repeat(72)
    const stored = await bcryptOf(long)
    const verified = await passwords.verify(`${long} and the rest`, stored)
    if (!verified.ok || verified.rehash === undefined) throw new TypeError('expected a rehash')
    expect((await passwords.verify(`${long} and the rest`, verified.rehash)).ok).toBe(true)
    expect((await passwords.verify(`${long} and the rush`, verified.rehash)).ok).toBe(false)
  })

  it('expands the key of $2x$ as the wrong implementation did (crypt_blowfish, byte strings that are not UTF-8)', async () => {
    const { hash } = await import('@node-rs/bcrypt')
    const vectors = [
      ['/OK.fbVrR/bpIqNJ5ianF.', 'CE5elHaaO4EbggVDjb8P19RukzXSM3e', [0xa3]],
      ['/OK.fbVrR/bpIqNJ5ianF.', '6IflQkJytoRVc1yuaNtHfiuq.FRlSIS', [0xa3, 0x61, 0x62]],
      ['6bNw2HLQYeqHYyBfLMsv/O', 'iwqTymGIGzFsA4hOTWebfehXHNprcAS', [0xd1, 0x91]],
      ['6bNw2HLQYeqHYyBfLMsv/O', '9LIGgn8OMzuDoHfof8AQimSGfcSWxnS', [0xd0, 0xc1, 0xd2, 0xcf, 0xcc, 0xd8]],
    ] as const
    for (const [salt, checksum, password] of vectors) {
      const made = await hash(signExtended(Uint8Array.from(password)), { salt: `$2b$05$${salt}` })
      expect(made).toBe(`$2b$05$${salt}${checksum}`)
    }
  })
})

describe('a hash of a hash', () => {
  const hex = (name: string, ...parts: (string | Uint8Array)[]): string =>
    parts.reduce((hash, part) => hash.update(part), createHash(name)).digest('hex')

  it.each<[string, OldDigest]>([
    ['MD5 without salt', { function: 'md5', digest: hex('md5', 'hunter2 hunter2') }],
    ['SHA-1 in capitals', { function: 'sha1', digest: hex('sha1', 'hunter2 hunter2').toUpperCase() }],
    ['SHA-256 behind a salt', { function: 'sha256', digest: hex('sha256', 'pepper$', 'hunter2 hunter2'), prefix: 'pepper$' }],
    [
      'SHA-1 between two salts',
      {
        function: 'sha1',
        digest: hex('sha1', Uint8Array.of(0, 255), 'hunter2 hunter2', 'x'),
        prefix: Uint8Array.of(0, 255),
        suffix: 'x',
      },
    ],
  ])('%s', async (_, old) => {
    const stored = await passwords.wrap(old)
    expect(stored).toMatch(/^\$wrapped\$f=(md5|sha1|sha256)[^$]*\$argon2id\$v=19\$m=64,t=2,p=1\$/)
    if ('digest' in old) expect(stored.toLowerCase()).not.toContain(old.digest.toLowerCase())
    const verified = await passwords.verify('hunter2 hunter2', stored)
    if (!verified.ok || verified.rehash === undefined) throw new TypeError('expected a rehash')
    expect(verified.rehash).toMatch(/^\$argon2id\$/)
    expect((await passwords.verify('hunter2 hunter3', stored)).ok).toBe(false)
  })

  it('bcrypt, though the password is not known', async () => {
    const hash = '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'
    const stored = await passwords.wrap({ function: 'bcrypt', hash })
    expect(stored).toContain('$wrapped$f=bcrypt,v=2y,c=05,salt=CCCCCCCCCCCCCCCCCCCCC.$argon2id$')
    expect(stored).not.toContain('E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW')
    expect(await passwords.verify('U*U', stored)).toMatchObject({ ok: true, rehash: expect.stringContaining('$argon2id$') })
    expect((await passwords.verify('U*V', stored)).ok).toBe(false)
  })

  it.each<[string, OldDigest]>([
    ['a digest that is too short', { function: 'sha256', digest: 'a'.repeat(40) }],
    ['a digest that is not hexadecimal', { function: 'md5', digest: 'g'.repeat(32) }],
    ['bcrypt that is something else', { function: 'bcrypt', hash: 'a'.repeat(60) }],
    ['a salt without end', { function: 'md5', digest: 'a'.repeat(32), prefix: 'a'.repeat(130) }],
  ])('refuses %s', async (_, old) => {
    await expect(passwords.wrap(old)).rejects.toMatchObject({ code: 'password.digest_malformed' })
  })
})

describe('stored hashes that ask for too much', () => {
  const tag = 'A'.repeat(43)
  it.each<[string, string, PasswordErrorCode]>([
    ['bcrypt cost 31', '$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', 'password.hash_out_of_bounds'],
    ['bcrypt cost 15', '$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', 'password.hash_out_of_bounds'],
    ['bcrypt cost 99', '$2b$99$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', 'password.hash_malformed'],
    ['bcrypt in another alphabet', '$2b$05$CCCCCCCCCCCCCCCCCCCC+.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', 'password.hash_malformed'],
    ['scrypt that takes 256 MiB', `$scrypt$ln=18,r=8,p=1$c2FsdA$${tag}`, 'password.hash_out_of_bounds'],
    ['scrypt with 2^31 blocks', `$scrypt$ln=31,r=1,p=1$c2FsdA$${tag}`, 'password.hash_out_of_bounds'],
    ['scrypt with ln=99', `$scrypt$ln=99,r=8,p=1$c2FsdA$${tag}`, 'password.hash_out_of_bounds'],
    ['scrypt with many lanes', `$scrypt$ln=14,r=8,p=999$c2FsdA$${tag}`, 'password.hash_out_of_bounds'],
    ["Django's scrypt with many lanes", `scrypt$16384$salt$8$999$${tag}`, 'password.hash_out_of_bounds'],
    ["Django's scrypt, N not a power of two", `scrypt$16385$salt$8$1$${tag}`, 'password.hash_malformed'],
    ["Django's scrypt, N = 1", `scrypt$1$salt$8$1$${tag}`, 'password.hash_malformed'],
    ['PBKDF2 with 2^32 iterations', `pbkdf2_sha256$4294967295$salt$${tag}=`, 'password.hash_out_of_bounds'],
    ['PBKDF2 whose key has more blocks than it seems', `pbkdf2_sha1$2000001$salt$${tag}`, 'password.hash_out_of_bounds'],
    ['passlib with 2^32 iterations', `$pbkdf2-sha512$4294967295$c2FsdA$${tag}`, 'password.hash_out_of_bounds'],
    ['no iterations', `$pbkdf2-sha512$0$c2FsdA$${tag}`, 'password.hash_malformed'],
    ['a megabyte of salt', `$pbkdf2-sha256$1$${'A'.repeat(1_000_000)}$${tag}`, 'password.hash_malformed'],
    [
      'a wrapped bcrypt hash of cost 31',
      `$wrapped$f=bcrypt,v=2b,c=31,salt=CCCCCCCCCCCCCCCCCCCCC.$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$${tag}`,
      'password.hash_out_of_bounds',
    ],
    [
      'a wrapping that never ends',
      `$wrapped$f=md5$argon2id$v=19$m=4294967295,t=4294967295,p=1$c29tZXNhbHRzb21lc2FsdA$${tag}`,
      'password.hash_out_of_bounds',
    ],
    [
      'a wrapping of what is not known',
      `$wrapped$f=crc32$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$${tag}`,
      'password.hash_malformed',
    ],
  ])('%s is refused before any native call', async (_, stored, code) => {
    await expect(passwords.verify('anything', stored)).rejects.toMatchObject({ code })
    expect(() => passwords.workOf(stored)).toThrow(expect.objectContaining({ code }))
    expect(calls.list).toEqual([])
  })

  it('takes what higher ceilings allow', async () => {
    const stored = `pbkdf2_sha1$2000001$salt$${tag}`
    const lenient = createPasswords({ ...cheap, limits: { pbkdf2Iterations: 4_000_002 } })
    expect(lenient.workOf(stored)).toEqual([{ kind: 'pbkdf2', digest: 'sha1', iterations: 4_000_002 }])
  })

  it('takes no scheme whose ceiling is 0', () => {
    const strict = createPasswords({ ...cheap, limits: { bcryptCost: 0, scryptWork: 0, pbkdf2Iterations: 0 } })
    for (const [name, , stored] of others) {
      if (name.includes('argon2')) continue
      expect(() => strict.workOf(stored), name).toThrow(expect.objectContaining({ code: 'password.hash_out_of_bounds' }))
    }
  })
})

async function bcryptOf(password: string): Promise<string> {
  const { hash } = await import('@node-rs/bcrypt')
  return hash(password, { cost: 4 })
}

/** PBKDF2 with one iteration, by hand (RFC 8018 §5.2). */
function pbkdf2(password: string): string {
  const key = Buffer.concat([Buffer.from(password)], 64)
  const inner = createHash('sha256').update(key.map((byte) => byte ^ 0x36))
  const outer = createHash('sha256').update(key.map((byte) => byte ^ 0x5c))
  return outer
    .update(
      inner
        .update('salt')
        .update(Uint8Array.of(0, 0, 0, 1))
        .digest(),
    )
    .digest('base64')
}
