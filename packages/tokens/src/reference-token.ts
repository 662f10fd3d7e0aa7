import { createHash, randomInt, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { TokenError } from './errors.ts'

/*
 * What API keys and opaque access tokens look like: `<prefix>_<id><secret><checksum>`, of one length for a prefix.
 *
 * The prefix and the checksum are for those who look for leaked ones: a scanner finds the text by its prefix and tells by the
 * checksum, without asking anybody, that it is no accident. The id finds the record, and is in events and listings; the secret is
 * nowhere but in the text. What is kept is a hash of the whole.
 */

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 16
/** 62 to the power of 43 is more than 2 to the power of 256. */
const SECRET_LENGTH = 43
/** CRC-32 has 32 bits; 62 to the power of 6 is more than that. */
const CHECKSUM_LENGTH = 6
const LENGTH = ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH

const PREFIX = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/
const MAX_PREFIX_LENGTH = 32
const ID = new RegExp(`^[0-9A-Za-z]{${ID_LENGTH}}$`)
const BODY = new RegExp(`^[0-9A-Za-z]{${LENGTH}}$`)

/** The form of one kind of reference token. */
export interface ReferenceForm {
  /** Finds tokens of this form in any text: for secret scanners. */
  readonly pattern: string
  /** Whether a text has the prefix: what was meant to be of this form, if it is or not. */
  accepts(token: string): boolean
  /** A new token, and its id. */
  generate(): { readonly token: string; readonly id: string }
  /** The id; or why there is none. Nothing is asked of anybody. */
  parse(token: string): { readonly id: string } | 'malformed' | 'checksum'
}

/**
 * @param prefix lower-case letters and digits, in parts with `_` between them; 2 to 32 characters
 * @throws TokenError `tokens.options_invalid`
 */
export function referenceForm(prefix: string): ReferenceForm {
  if (typeof prefix !== 'string' || prefix.length < 2 || prefix.length > MAX_PREFIX_LENGTH || !PREFIX.test(prefix)) {
    throw new TokenError(
      'tokens.options_invalid',
      `prefix must match ${PREFIX.source}, with 2 to ${MAX_PREFIX_LENGTH} characters`,
    )
  }
  const start = `${prefix}_`
  const accepts = (token: string): boolean => typeof token === 'string' && token.startsWith(start)
  return {
    pattern: `\\b${start}[0-9A-Za-z]{${LENGTH}}\\b`,
    accepts,
    generate() {
      const id = randomText(ID_LENGTH)
      const unchecked = `${start}${id}${randomText(SECRET_LENGTH)}`
      return { token: unchecked + checksum(unchecked), id }
    },
    parse(token) {
      if (!accepts(token) || !BODY.test(token.slice(start.length))) return 'malformed'
      const end = token.length - CHECKSUM_LENGTH
      // Not secret: a checksum keeps typing mistakes and junk away from the store, and nobody out.
      if (token.slice(end) !== checksum(token.slice(0, end))) return 'checksum'
      return { id: token.slice(start.length, start.length + ID_LENGTH) }
    },
  }
}

/** Whether a text can be the id of anything here. */
export function isReferenceId(id: string): boolean {
  return typeof id === 'string' && ID.test(id)
}

/** What is kept of a token: SHA-256, base64url. It has 256 random bits, so that a slow hash would only slow us. */
export function tokenHash(token: string | Uint8Array): string {
  return createHash('sha256').update(token).digest('base64url')
}

/** Whether a token is the one whose hash was kept, in a time that does not depend on how much of it is right. */
export function matchesHash(token: string, hash: string): boolean {
  const [given, kept] = [Buffer.from(tokenHash(token)), Buffer.from(hash)]
  return given.length === kept.length && timingSafeEqual(given, kept)
}

function randomText(length: number): string {
  let text = ''
  for (let i = 0; i < length; i++) text += ALPHABET[randomInt(ALPHABET.length)]
  return text
}

function checksum(text: string): string {
  let rest = crc32(text)
  let encoded = ''
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    encoded = ALPHABET.charAt(rest % ALPHABET.length) + encoded
    rest = Math.floor(rest / ALPHABET.length)
  }
  return encoded
}
