/** Why a password can't be hashed at all. */
export type PasswordFlaw = 'password.too_long' | 'password.malformed'

/**
 * A password in the form in which it is hashed: Unicode NFC, else exactly as received (ASVS 6.2.8: no truncation, no case
 * folding; NIST 800-63B-4 §3.1.1.2: normalised, since keyboards spell the same letter differently).
 * @param maxLength code points after normalisation
 */
export function prepare(password: unknown, maxLength: number): { readonly text: string } | { readonly flaw: PasswordFlaw } {
  if (typeof password !== 'string') return { flaw: 'password.malformed' }
  // Before anything that costs by length: four UTF-16 units to a code point are room for what NFC puts together.
  if (password.length > 4 * maxLength) return { flaw: 'password.too_long' }
  // UTF-8 turns every unpaired surrogate into U+FFFD: different passwords would become one.
  if (/\p{Surrogate}/u.test(password)) return { flaw: 'password.malformed' }
  const text = password.normalize('NFC')
  let length = 0
  for (const _ of text) length++
  return length > maxLength ? { flaw: 'password.too_long' } : { text }
}
