import { hash } from 'node:crypto'

/** Keys longer than this are kept as their digest, so that what is remembered of one has a bound. */
export const LONGEST_KEY = 64

/** A key, or its digest. That has 65 characters: no key that is kept as it is can be made to equal one. */
export function shortKey(key: string): string {
  return key.length > LONGEST_KEY ? `#${hash('sha256', Buffer.from(key, 'utf16le'), 'hex')}` : key
}
