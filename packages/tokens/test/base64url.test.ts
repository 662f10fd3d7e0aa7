import { randomInt } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { decodeBase64url } from '../src/base64url.ts'

/** What canonical means, in one line: what encodes to the same text again. */
function canonical(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

function differs(text: string): boolean {
  const [ours, defined] = [decodeBase64url(text), canonical(text)]
  return ours === undefined || defined === undefined ? ours !== defined : !ours.equals(defined)
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
// Padding, the other alphabet, white space, and characters whose low byte is in the alphabet (U+0141 is an A to whoever truncates).
const STRANGE = '=+/ \n\r\t\0.~é\u0141\u012d\u015f\ud800😀'

describe('base64url', () => {
  it('is decoded when every character and every bit counts, and not otherwise: all texts of up to three characters', () => {
    const characters = [...ALPHABET, ...STRANGE]
    const different: string[] = []
    for (const a of ['', ...characters]) {
      for (const b of ['', ...characters]) {
        for (const c of ['', ...characters]) {
          if (differs(a + b + c)) different.push(a + b + c)
        }
      }
    }
    expect(different).toEqual([])
  })

  it('agrees with its definition on 20,000 random texts, half of them with something strange in them', () => {
    const different: string[] = []
    for (let n = 0; n < 20_000; n++) {
      const characters = Array.from({ length: randomInt(1, 60) }, () => ALPHABET[randomInt(64)])
      if (n % 2 === 0) characters[randomInt(characters.length)] = [...STRANGE][randomInt([...STRANGE].length)]
      if (differs(characters.join(''))) different.push(characters.join(''))
    }
    expect(different).toEqual([])
  })
})
