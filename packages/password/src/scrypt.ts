import { scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { type HashLimits, outOfBounds } from './limits.ts'
import { fromBase64 } from './radix64.ts'
import type { StoredHash } from './stored-hash.ts'
import { type ScryptWork, scryptOptions } from './work.ts'

const derive = promisify<string, Uint8Array, number, object, Buffer>(scrypt)

const phc = /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d{0,5}),p=([1-9]\d{0,5})\$([A-Za-z0-9+/]{0,86})\$([A-Za-z0-9+/]{22,86})$/
const django = /^scrypt\$([1-9]\d{0,9})\$([!-#%-~]{1,64})\$([1-9]\d{0,5})\$([1-9]\d{0,5})\$([A-Za-z0-9+/]{22,86}={0,2})$/

/**
 * A scrypt hash (RFC 7914): in PHC form, or Django's `scrypt$N$salt$r$p$…`; `undefined` when it is something else.
 * @throws PasswordError `password.hash_out_of_bounds`
 */
export function parseScrypt(stored: string, limits: HashLimits): StoredHash | undefined {
  const read = readPhc(stored) ?? readDjango(stored)
  if (read === undefined) return undefined
  const { ln, r, p, salt, tag } = read
  const work: ScryptWork = { kind: 'scrypt', ln, r, p }
  if (2 ** ln * r * p > limits.scryptWork || (2 ** ln * r) / 8 > limits.memory) {
    throw outOfBounds(`scrypt ln=${ln}, r=${r}, p=${p}`, `N·r·p ${limits.scryptWork} and ${limits.memory} KiB`)
  }
  return {
    work: [work],
    matches: async ({ received }) => timingSafeEqual(await derive(received, salt, tag.length, scryptOptions(work)), tag),
    isOutdated: () => true,
  }
}

interface ScryptHash extends Omit<ScryptWork, 'kind'> {
  readonly salt: Uint8Array
  readonly tag: Uint8Array
}

function readPhc(stored: string): ScryptHash | undefined {
  const [, ln, r, p, salt, tag] = phc.exec(stored) ?? []
  if (salt === undefined || tag === undefined) return undefined
  return { ln: Number(ln), r: Number(r), p: Number(p), salt: fromBase64(salt), tag: fromBase64(tag) }
}

function readDjango(stored: string): ScryptHash | undefined {
  const [, n, salt, r, p, tag] = django.exec(stored) ?? []
  const ln = Math.log2(Number(n))
  if (salt === undefined || tag === undefined || !Number.isInteger(ln) || ln < 1) return undefined
  return { ln, r: Number(r), p: Number(p), salt: Buffer.from(salt), tag: fromBase64(tag) }
}
