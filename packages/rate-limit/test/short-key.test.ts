import { expect, it } from 'vitest'
import { shortKey } from '../src/short-key.ts'

it('a long key is kept as a digest that no key can be made to equal: not the one that is spelled as the digest is', () => {
  const long = 'x'.repeat(65)
  const digest = shortKey(long)
  for (const forged of [digest, digest.slice(1), digest.slice(0, 64)]) expect(shortKey(forged)).not.toBe(digest)
  expect(shortKey('x'.repeat(64))).toBe('x'.repeat(64))
})
