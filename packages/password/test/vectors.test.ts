import { describe, expect, it } from 'vitest'
import { formatArgon2 } from '../src/argon2.ts'
import { createPasswords } from '../src/index.ts'
import { base64 } from '../src/radix64.ts'
import { haveVectors, readVectors } from './vectors.ts'

interface Vectors {
  bcrypt_openwall: { password: string; hash: string }
  rfc7914_scrypt_2: { password: string; salt: string; N: number; r: number; p: number; dkLen: number; prefix: string }
  phc_argon2id_v19: { m: number; t: number; p: number; password: string; salt: string; hash: string }
}

describe.skipIf(!haveVectors)('vectors (PORTCULLIS_VECTORS)', () => {
  it('accepts the PHC reference vector of argon2id version 19, and no other password', async () => {
    const { m, t, p, password, salt, hash } = readVectors<Vectors>('rfc4226-6238-9106.json').phc_argon2id_v19
    const parameters = { memory: m, iterations: t, parallelism: p }
    const stored = formatArgon2(parameters, Buffer.from(salt), Buffer.from(hash, 'hex'))
    const passwords = createPasswords(parameters)
    expect(await passwords.verify(password, stored)).toMatchObject({ ok: true })
    expect(await passwords.verify(`${password} `, stored)).toMatchObject({ ok: false })
  })

  it('accepts the bcrypt vector of crypt_blowfish, and no other password', async () => {
    const { password, hash } = readVectors<Vectors>('rfc4226-6238-9106.json').bcrypt_openwall
    const passwords = createPasswords()
    expect(await passwords.verify(password, hash)).toMatchObject({ ok: true, rehash: expect.stringContaining('$argon2id$') })
    expect(await passwords.verify(`${password} `, hash)).toMatchObject({ ok: false })
  })

  it('accepts the second scrypt vector of RFC 7914 §12, as far as it is written down, and no other password', async () => {
    const { password, salt, N, r, p, prefix } = readVectors<Vectors>('rfc4226-6238-9106.json').rfc7914_scrypt_2
    // scrypt ends with one PBKDF2: a shorter key is the beginning of a longer one.
    const tag = base64(Buffer.from(prefix, 'hex'))
    const stored = `$scrypt$ln=${Math.log2(N)},r=${r},p=${p}$${base64(Buffer.from(salt))}$${tag}`
    const passwords = createPasswords()
    expect(await passwords.verify(password, stored)).toMatchObject({ ok: true, rehash: expect.stringContaining('$argon2id$') })
    expect(await passwords.verify(`${password} `, stored)).toMatchObject({ ok: false })
  })

  it('RFC 9106 §5.3', ({ skip }) => {
    skip('needs associated data, which @node-rs/argon2 does not offer')
  })
})
