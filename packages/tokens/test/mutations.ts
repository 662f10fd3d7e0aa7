import { type Base, type Dice, type Mutation, parts, put } from './bases.ts'
import { CONTENT } from './content-mutations.ts'
import { SIGNATURES } from './signature-mutations.ts'
import { b64 } from './support.ts'

const NAMES = ['header', 'claims', 'signature'] as const
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Changes one segment as it is written; with `sign`, the signature covers what is then written. */
function respelled(what: string, respell: (segment: string, dice: Dice) => string): readonly Mutation[] {
  const unsigned = NAMES.map((name, place) => ({
    name: `${what} in the ${name}`,
    make: (of: Base, dice: Dice) =>
      parts(of)
        .with(place, respell(parts(of)[place]!, dice))
        .join('.'),
  }))
  const signed = NAMES.slice(0, 2).map((name, place) => ({
    name: `${what} in the ${name}, signed`,
    make: (of: Base, dice: Dice) => {
      const [header, payload] = parts(of).with(place, respell(parts(of)[place]!, dice)) as [string, string]
      return put(header, payload, of.sign)
    },
  }))
  return [...unsigned, ...signed]
}

function inserted(segment: string, what: string, dice: Dice): string {
  const at = dice.below(segment.length + 1)
  return segment.slice(0, at) + what + segment.slice(at)
}

/** Sets bits that decoding drops. The last character is made one that has such bits. */
function stray(segment: string): string {
  if (segment.length % 4 === 0) return segment
  return segment.slice(0, -1) + ALPHABET[ALPHABET.indexOf(segment.at(-1)!) + 1]
}

const spelling: readonly Mutation[] = [
  ...respelled('a flipped bit', (segment, dice) => {
    const bytes = Buffer.from(segment, 'base64url')
    const at = dice.below(bytes.length)
    bytes[at] = bytes[at]! ^ (1 << dice.below(8))
    return b64(bytes)
  }),
  ...respelled('another character', (segment, dice) => {
    const at = dice.below(segment.length - 1)
    return segment.slice(0, at) + dice.pick([...ALPHABET]) + segment.slice(at + 1)
  }),
  ...respelled('right padding', (segment) => segment.padEnd(Math.ceil(segment.length / 4) * 4, '=')),
  ...respelled(
    'wrong padding',
    (segment, dice) => segment + dice.pick(segment.length % 4 === 0 ? ['=', '=='] : ['===', '=====']),
  ),
  ...respelled('white space', (segment, dice) => inserted(segment, dice.pick([' ', '\n', '\r\n', '\t', '\f']), dice)),
  ...respelled('other white space', (segment, dice) =>
    inserted(segment, dice.pick(['\v', '\u00a0', '\u2028', '\ufeff', '\0']), dice),
  ),
  ...respelled('the other alphabet', (segment) => segment.replace(/^../, '+/')),
  ...respelled('trailing bits', stray),
  ...respelled('a character too many', (segment, dice) => `${segment}${dice.pick(['A', 'AAA', '!', '%'])}`),
  ...respelled('a character too few', (segment) => segment.slice(0, -1)),
  ...respelled('a wide character', (segment, dice) => {
    const at = dice.below(segment.length)
    const wide = String.fromCharCode(segment.charCodeAt(at) + 0x100 * (1 + dice.below(200)))
    return segment.slice(0, at) + wide + segment.slice(at + 1)
  }),
]

const segments: readonly Mutation[] = [
  {
    name: 'segments left out, doubled, swapped, emptied or added',
    make: (of, dice) => {
      const [h, p, s] = parts(of)
      return dice
        .pick([
          [h, p],
          [p, s],
          [h],
          [],
          [h, p, s, ''],
          [h, p, s, s],
          ['', h, p, s],
          [h, p, '', s],
          [h, '', p, s],
          [p, h, s],
          [h, s, p],
          [s, p, h],
          ['', p, s],
          [h, '', s],
          [h, h, s],
          [h, p, '', '', s],
          ['', '', ''],
        ])
        .join('.')
    },
  },
  {
    name: 'something around the token',
    make: (of, dice) => {
      const [before, after] = dice.pick([
        [' ', ''],
        ['"', '"'],
        ['Bearer ', ''],
        ['\ufeff', ''],
        ['', '\0'],
        ['', '#'],
        ['', ','],
        ['', `,${of.token}`],
      ] as const)
      return before + of.token + after
    },
  },
  { name: 'white space around the token', make: (of, dice) => dice.pick([`${of.token} `, `${of.token}\n`, `${of.token}\r\n`]) },
  { name: 'a token cut short', make: (of, dice) => of.token.slice(0, dice.below(of.token.length)) },
]

/** Every class of changes to a token. */
export const MUTATIONS: readonly Mutation[] = [...spelling, ...segments, ...CONTENT, ...SIGNATURES]
