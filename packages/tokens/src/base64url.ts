// What the last character may carry beyond whole bytes: of 4 bits after two characters, of 2 bits after three.
const ENDS_OF_TWO = 'AQgw'
const ENDS_OF_THREE = 'AEIMQUYcgkosw048'

/**
 * Decodes canonical base64url (RFC 4648 §5, RFC 7515 §2): no padding, no white space, no other alphabet, no stray trailing bits.
 * One value has one spelling, so that two spellings of one token can't pass a list that holds the other.
 * @returns `undefined` for every other text
 */
export function decodeBase64url(segment: string): Buffer | undefined {
  if (!isPlain(segment)) return undefined
  const bytes = Buffer.allocUnsafe(decodedLength(segment))
  return writeBase64url(bytes, segment) === undefined ? undefined : bytes
}

/**
 * Whether a text has none of the characters that Node would take for others: it reads the low byte of one beyond Latin-1, and both
 * alphabets. Asked once for a whole token.
 */
export function isPlain(text: string): boolean {
  return Buffer.byteLength(text) === text.length && !text.includes('+') && !text.includes('/')
}

/** Bytes that a segment decodes to, when it is canonical. */
export function decodedLength(segment: string): number {
  return (segment.length * 3) >> 2
}

/**
 * As {@link decodeBase64url}, into memory that is there already.
 * @param target at least {@link decodedLength} bytes
 * @param segment of a text that {@link isPlain}
 * @returns how many bytes were written; `undefined` when the text is not canonical
 */
export function writeBase64url(target: Buffer, segment: string): number | undefined {
  const characters = segment.length
  const over = characters & 3
  if (over === 1) return undefined
  const length = decodedLength(segment)
  // Node passes over every character that is in no alphabet, and stops at padding: either way there are fewer bytes.
  if (target.write(segment, 0, 'base64url') !== length) return undefined
  if (over !== 0 && !(over === 2 ? ENDS_OF_TWO : ENDS_OF_THREE).includes(segment.charAt(characters - 1))) return undefined
  return length
}
