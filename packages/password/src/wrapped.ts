import { createHash } from 'node:crypto'
import { makeArgon2, matchesArgon2, readArgon2 } from './argon2.ts'
import { type BcryptSetting, bcryptChecksum, checkBcryptCost } from './bcrypt.ts'
import { PasswordError } from './errors.ts'
import type { HashLimits } from './limits.ts'
import type { Argon2Parameters } from './parameters.ts'
import { base64, fromBase64 } from './radix64.ts'
import type { StoredHash } from './stored-hash.ts'
import type { Work } from './work.ts'

/** What an old system stored, to be hashed once more: nobody's password is needed for that. */
export type OldDigest =
  | {
      readonly function: 'md5' | 'sha1' | 'sha256'
      /** In hexadecimal, of `prefix`, the password and `suffix` one after the other. */
      readonly digest: string
      readonly prefix?: string | Uint8Array
      readonly suffix?: string | Uint8Array
    }
  | {
      readonly function: 'bcrypt'
      /** `$2b$12$…` */
      readonly hash: string
    }

/** From a password to the text that argon2id hashed. */
interface Inner {
  readonly work: readonly Work[]
  text(password: string): Promise<string>
}

type Fast = 'md5' | 'sha1' | 'sha256'
const hexLengths: Readonly<Record<Fast, number>> = { md5: 32, sha1: 40, sha256: 64 }

const form = /^\$wrapped\$f=([^$]{1,400})(\$argon2id\$v=19\$[^\n]{1,250})$/
const fast = /^(md5|sha1|sha256)(?:,prefix=([A-Za-z0-9+/]{1,172}))?(?:,suffix=([A-Za-z0-9+/]{1,172}))?$/
const bcrypt = /^bcrypt,v=(2[abxy]),c=(0[4-9]|[12]\d|3[01]),salt=([./A-Za-z0-9]{22})$/
const bcryptHash = /^\$(2[abxy])\$(0[4-9]|[12]\d|3[01])\$([./A-Za-z0-9]{22})[./A-Za-z0-9]{31}$/

/** Longest prefix or suffix, in bytes. */
const longestSalt = 129

/**
 * A hash of a hash, `$wrapped$f=<inner function>$argon2id$…`; `undefined` when it is something else.
 * @throws PasswordError `password.hash_out_of_bounds`
 */
export function parseWrapped(stored: string, limits: HashLimits): StoredHash | undefined {
  const [, name, outer] = form.exec(stored) ?? []
  if (name === undefined || outer === undefined) return undefined
  const inner = fastInner(name) ?? bcryptInner(name, limits)
  const hash = readArgon2(outer, limits)
  if (inner === undefined || hash === undefined) return undefined
  return {
    work: [...inner.work, { kind: 'argon2', ...hash.parameters }],
    matches: async ({ received }) => matchesArgon2(hash, await inner.text(received)),
    isOutdated: () => true,
  }
}

/**
 * Hashes what an old system stored with argon2id.
 * @throws PasswordError `password.digest_malformed`, `password.hash_out_of_bounds`
 */
export async function wrapDigest(old: OldDigest, parameters: Argon2Parameters, limits: HashLimits): Promise<string> {
  const name = nameOf(old)
  if ((fastInner(name) ?? bcryptInner(name, limits)) === undefined) throw malformed()
  const text = old.function === 'bcrypt' ? old.hash : old.digest.toLowerCase()
  return `$wrapped$f=${name}${await makeArgon2(text, parameters)}`
}

function nameOf(old: OldDigest): string {
  if (old.function === 'bcrypt') {
    const [, version, cost, salt] = bcryptHash.exec(old.hash) ?? []
    if (salt === undefined) throw malformed()
    return `bcrypt,v=${version},c=${cost},salt=${salt}`
  }
  if (!isHex(old.digest, hexLengths[old.function])) throw malformed()
  return `${old.function}${saltPart('prefix', old.prefix)}${saltPart('suffix', old.suffix)}`
}

function saltPart(name: 'prefix' | 'suffix', salt: string | Uint8Array = ''): string {
  const bytes = Buffer.from(salt)
  if (bytes.length > longestSalt) throw malformed()
  return bytes.length === 0 ? '' : `,${name}=${base64(bytes)}`
}

function fastInner(name: string): Inner | undefined {
  const [, algorithm, prefix = '', suffix = ''] = fast.exec(name) ?? []
  if (algorithm === undefined) return undefined
  return {
    // Microseconds at most: beside argon2id they are not seen.
    work: [],
    text: async (password) =>
      createHash(algorithm).update(fromBase64(prefix)).update(password).update(fromBase64(suffix)).digest('hex'),
  }
}

function bcryptInner(name: string, limits: HashLimits): Inner | undefined {
  const [, version, cost, salt] = bcrypt.exec(name) ?? []
  if (version === undefined || salt === undefined) return undefined
  const setting: BcryptSetting = { version, cost: Number(cost), salt }
  checkBcryptCost(setting.cost, limits)
  return {
    work: [{ kind: 'bcrypt', cost: setting.cost }],
    text: async (password) => `$${version}$${cost}$${salt}${await bcryptChecksum(password, setting)}`,
  }
}

function isHex(text: string, length: number): boolean {
  return text.length === length && /^[0-9a-f]+$/i.test(text)
}

function malformed(): PasswordError {
  return new PasswordError('password.digest_malformed', 'what shall be wrapped is not a digest of the function that it names')
}
