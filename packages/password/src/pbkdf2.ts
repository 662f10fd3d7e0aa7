import { pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { type HashLimits, outOfBounds } from './limits.ts'
import { fromBase64 } from './radix64.ts'
import type { StoredHash } from './stored-hash.ts'
import type { Pbkdf2Work } from './work.ts'

const derive = promisify(pbkdf2)

type Digest = Pbkdf2Work['digest']
/** Bytes in one block of the key (RFC 8018 §5.2): a longer key costs the iterations once more for each. */
const blockLengths: Readonly<Record<Digest, number>> = { sha1: 20, sha256: 32, sha512: 64 }

const django = /^pbkdf2_(sha1|sha256)\$([1-9]\d{0,9})\$([!-#%-~]{1,64})\$([A-Za-z0-9+/]{22,86}={0,2})$/
// PHC names its parameter (`i=600000`, and perhaps `l=32`); passlib gives the bare number, writes `.` for `+`, and no digest for SHA-1.
const modular =
  /^\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?([1-9]\d{0,9})(?:,l=[1-9]\d{0,2})?\$([A-Za-z0-9+/.]{0,86})\$([A-Za-z0-9+/.]{22,86})$/

/**
 * A PBKDF2 hash (RFC 8018): Django's `pbkdf2_sha256$…` and `pbkdf2_sha1$…`, or `$pbkdf2-sha256$…` as passlib and PHC write it, for
 * SHA-1 and SHA-512 too; `undefined` when it is something else.
 * @throws PasswordError `password.hash_out_of_bounds`
 */
export function parsePbkdf2(stored: string, limits: HashLimits): StoredHash | undefined {
  const isDjango = stored.startsWith('pbkdf2_')
  const [, digest = 'sha1', digits, salt, encodedTag] = (isDjango ? django : modular).exec(stored) ?? []
  if (salt === undefined || encodedTag === undefined || !isDigest(digest)) return undefined
  const iterations = Number(digits)
  const tag = fromBase64(encodedTag)
  const work: Pbkdf2Work = { kind: 'pbkdf2', digest, iterations: iterations * Math.ceil(tag.length / blockLengths[digest]) }
  if (work.iterations > limits.pbkdf2Iterations) {
    throw outOfBounds(`${work.iterations} iterations of PBKDF2`, `${limits.pbkdf2Iterations}`)
  }
  const saltBytes = isDjango ? Buffer.from(salt) : fromBase64(salt)
  return {
    work: [work],
    matches: async ({ received }) => timingSafeEqual(await derive(received, saltBytes, iterations, tag.length, digest), tag),
    isOutdated: () => true,
  }
}

function isDigest(text: string): text is Digest {
  return Object.hasOwn(blockLengths, text)
}
