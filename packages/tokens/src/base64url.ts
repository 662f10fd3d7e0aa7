/**
 * Decodes canonical base64url (RFC 4648 §5, RFC 7515 §2): no padding, no white space, no other alphabet, no stray trailing bits.
 * One value has one spelling, so that two spellings of one token can't pass a list that holds the other.
 * @returns `undefined` for every other text
 */
export function decodeBase64url(segment: string): Buffer | undefined {
  const bytes = Buffer.from(segment, 'base64url')
  // Node decodes leniently. What encodes to the same text again had nothing to be lenient about.
  return bytes.toString('base64url') === segment ? bytes : undefined
}
