import { createHash, timingSafeEqual } from 'node:crypto'
import { hash as nativeHash } from '@node-rs/bcrypt'
import { type HashLimits, outOfBounds } from './limits.ts'
import { fromBcrypt64 } from './radix64.ts'
import type { StoredHash } from './stored-hash.ts'

/** What bcrypt looks at: the rest of a longer password never counted. */
const keyLength = 72

const form = /^(bcrypt\$|bcrypt_sha256\$)?\$(2[abxy])\$(0[4-9]|[12]\d|3[01])\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/

/** A bcrypt hash without its checksum. */
export interface BcryptSetting {
  readonly version: string
  readonly cost: number
  /** 22 characters of bcrypt's alphabet. */
  readonly salt: string
}

/**
 * A bcrypt hash: `$2a$`, `$2b$`, `$2x$`, `$2y$`, and Django's `bcrypt$…` and `bcrypt_sha256$…`; `undefined` when it is something
 * else. It is compared as the old system compared it, so what follows byte 72 does not count: until the next sign-in, which
 * makes a new hash of the whole password.
 * @throws PasswordError `password.hash_out_of_bounds`
 */
export function parseBcrypt(stored: string, limits: HashLimits): StoredHash | undefined {
  const [, django, version, digits, salt, checksum] = form.exec(stored) ?? []
  if (version === undefined || salt === undefined || checksum === undefined) return undefined
  const setting = { version, cost: Number(digits), salt }
  checkBcryptCost(setting.cost, limits)
  return {
    work: [{ kind: 'bcrypt', cost: setting.cost }],
    async matches({ received }) {
      const password = django === 'bcrypt_sha256$' ? createHash('sha256').update(received).digest('hex') : received
      return timingSafeEqual(Buffer.from(await bcryptChecksum(password, setting)), Buffer.from(checksum))
    },
    isOutdated: () => true,
  }
}

/** @throws PasswordError `password.hash_out_of_bounds` */
export function checkBcryptCost(cost: number, limits: HashLimits): void {
  if (cost > limits.bcryptCost) throw outOfBounds(`bcrypt cost ${cost}`, `${limits.bcryptCost}`)
}

/** The last 31 characters of the bcrypt hash of a password. */
export async function bcryptChecksum(password: string, { version, cost, salt }: BcryptSetting): Promise<string> {
  const bytes = Buffer.from(password)
  const key = version === '2x' ? signExtended(bytes) : bytes.subarray(0, keyLength)
  return (await nativeHash(key, { salt: fromBcrypt64(salt), cost, version: '2b' })).slice(-31)
}

/**
 * The key as crypt_blowfish before 1.1 expanded it, which `$2x$` says of a hash (CVE-2011-2483): bytes were signed, so that one
 * of 0x80 or more wiped out up to three before it. The words come out the same when those bytes are what the right function reads.
 */
export function signExtended(password: Uint8Array): Uint8Array {
  const cycle = Int8Array.from([...password.subarray(0, keyLength), 0])
  const key = Buffer.alloc(keyLength)
  for (let i = 0, word = 0; i < keyLength; i++) {
    word = (word << 8) | (cycle[i % cycle.length] ?? 0)
    if (i % 4 === 3) {
      key.writeInt32BE(word, i - 3)
      word = 0
    }
  }
  return key
}
