import { describe, expect, it } from 'vitest'
import { createPasswords } from '../src/index.ts'
import { formatHash } from '../src/phc.ts'
import { haveVectors, readVectors } from './vectors.ts'

interface Vectors {
  phc_argon2id_v19: { m: number; t: number; p: number; password: string; salt: string; hash: string }
}

describe.skipIf(!haveVectors)('argon2id vectors (PORTCULLIS_VECTORS)', () => {
  it('accepts the PHC reference vector of argon2id version 19, and no other password', async () => {
    const { m, t, p, password, salt, hash } = readVectors<Vectors>('rfc4226-6238-9106.json').phc_argon2id_v19
    const parameters = { memory: m, iterations: t, parallelism: p }
    const stored = formatHash(parameters, Buffer.from(salt), Buffer.from(hash, 'hex'))
    const passwords = createPasswords(parameters)
    expect(await passwords.verify(password, stored)).toMatchObject({ ok: true })
    expect(await passwords.verify(`${password} `, stored)).toMatchObject({ ok: false })
  })

  it('RFC 9106 §5.3', ({ skip }) => {
    skip('needs associated data, which @node-rs/argon2 does not offer')
  })
})
