import { createHmac } from 'node:crypto'
import { RateLimitError } from './errors.ts'

/** Bytes of a digest: two keys in 2^64 meet by chance. */
const LENGTH = 16

/**
 * What a key is called outside this process. A plain hash of an address is no secret, since all addresses can be tried; this one takes
 * the secret as well (draft-ietf-httpapi-ratelimit-headers-10 §8.2 says so of `pk`).
 *
 * @param secret at least 16 bytes, the same in all processes that count together; a string counts as its UTF-8 bytes
 * @returns a function from key to 22 characters of base64url
 * @throws RateLimitError `rate_limit.options_invalid`
 */
export function keyDigest(secret: string | Uint8Array): (key: string) => string {
  const bytes = typeof secret === 'string' ? Buffer.from(secret) : secret
  if (!(bytes instanceof Uint8Array) || bytes.length < 16) {
    throw new RateLimitError('rate_limit.options_invalid', 'secret must have at least 16 bytes')
  }
  const own = Uint8Array.from(bytes)
  // UTF-16, as the memory store compares keys: in UTF-8 two different lone surrogates would be one key.
  return (key) => createHmac('sha256', own).update(key, 'utf16le').digest().subarray(0, LENGTH).toString('base64url')
}
