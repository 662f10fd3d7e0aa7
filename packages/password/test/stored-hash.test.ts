import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createPasswords, PasswordError } from '../src/index.ts'

const passwords = createPasswords()

const seeds = [
  '$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaOjJumzLt3CSYccAsAra1QGdZMgA',
  '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
  '$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI',
  'scrypt$1024$NaCl$8$16$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI=',
  'pbkdf2_sha256$10000$kjVJaVz6qsnJ$5yPHw3rwJGECpUf70daLGhOrQ5+AMxIJdz1c3bqK1Rs=',
  '$pbkdf2-sha512$i=1000,l=32$c2FsdA$CTFhFdXPJO1aFaMaOjJumzLt3CSYccAsAra1QGdZMgA',
  '$wrapped$f=sha1,prefix=AAAA$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaOjJumzLt3CSYccAsAra1QGdZMgA',
  '$sealed$v1.p1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
]

/** A hash with some piece of it replaced by anything. */
const tampered = fc
  .tuple(
    fc.constantFrom(...seeds),
    fc.nat(120),
    fc.nat(20),
    fc.oneof(fc.string(), fc.bigInt().map(String), fc.constantFrom('$', ',', '=')),
  )
  .map(([seed, at, cut, piece]) => seed.slice(0, at) + piece + seed.slice(at + cut))

describe('what is stored', () => {
  it('whatever it is, is within the ceilings or an error with a code, which holds no piece of it', () => {
    fc.assert(
      fc.property(fc.oneof(tampered, fc.string(), fc.string({ unit: 'binary' })), (stored) => {
        try {
          for (const work of passwords.workOf(stored)) {
            if (work.kind === 'argon2') expect(work.memory * work.iterations).toBeLessThanOrEqual(131_072 * 10)
            if (work.kind === 'bcrypt') expect(work.cost).toBeLessThanOrEqual(14)
            if (work.kind === 'scrypt') expect(2 ** work.ln * work.r * work.p).toBeLessThanOrEqual(2 ** 22)
            if (work.kind === 'pbkdf2') expect(work.iterations).toBeLessThanOrEqual(4_000_000)
          }
        } catch (error) {
          if (!(error instanceof PasswordError)) throw error
          expect(error.code).toMatch(/^password\.(hash_|seal_|pepper_)/)
          for (const part of stored.split('$')) if (part.length > 12) expect(error.message).not.toContain(part)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('takes no longer to parse the longer it is', () => {
    for (const seed of seeds) {
      for (const filler of ['$', '0', 'A', ',', seed]) {
        expect(() => passwords.workOf(seed + filler.repeat(1_000_000))).toThrow(PasswordError)
      }
    }
  })
})
