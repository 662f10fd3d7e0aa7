import { describe, expect, it } from 'vitest'
import { parseJsonObject } from '../src/strict-json.ts'

/** Names in each object of a valid JSON text, by a reader that shares nothing with ours: one pass, one stack. */
function namesTwice(text: string): boolean {
  let at = 0
  const space = (): void => {
    while (/\s/.test(text[at] ?? '')) at++
  }
  const string = (): string => {
    const start = at
    for (at++; text[at] !== '"'; at++) if (text[at] === '\\') at++
    at++
    return JSON.parse(text.slice(start, at)) as string
  }
  const value = (): boolean => {
    space()
    if (text[at] === '"') return string() === undefined
    if (text[at] !== '{' && text[at] !== '[') {
      while (/[^\s,}\]]/.test(text[at] ?? ' ')) at++
      return false
    }
    const isObject = text[at] === '{'
    const close = isObject ? '}' : ']'
    const names = new Set<string>()
    let twice = false
    at++
    for (space(); text[at] !== close; space()) {
      if (text[at] === ',') at++
      space()
      if (isObject) {
        const name = string()
        twice ||= names.has(name)
        names.add(name)
        space()
        at++
      }
      twice = value() || twice
    }
    at++
    return twice
  }
  return value()
}

/** A seeded generator (mulberry32): a failure can be had again. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

const NAMES = ['"exp"', '"\\u0065xp"', '"a"', '"a:b"', '"\\""', '"\\\\"', '"é"', '"__proto__"', '"0"', '""', '"x\\"y"']
const SCALARS = [
  '1',
  '-0',
  '1e3',
  '1.50',
  'true',
  'null',
  '""',
  '"\\"\\"\\""',
  '"\\\\"',
  '"{\\"a\\":1,\\"a\\":2}"',
  '"a,b:c"',
  '"😀"',
  '"\\u0022"',
]

function generate(next: (below: number) => number, depth: number): string {
  const gap = (): string => ['', '', '', ' ', '\n'][next(5)] ?? ''
  if (depth === 0 || next(3) === 0) return SCALARS[next(SCALARS.length)] ?? '1'
  const items = Array.from({ length: next(5) }, () => `${gap()}${generate(next, depth - 1)}${gap()}`)
  if (next(3) === 0) return `[${items.join(',')}]`
  return `{${items.map((item) => `${gap()}${NAMES[next(NAMES.length)]}${gap()}:${item}`).join(',')}}`
}

describe('a JSON object', () => {
  it('is taken when no object in it names a member twice, and not otherwise: 20,000 texts', () => {
    const next = random(20_261_124)
    const wrong: string[] = []
    let twice = 0
    for (let n = 0; n < 20_000; n++) {
      const text = `{"claims":${generate(next, 4)},"more":${generate(next, 2)}}`
      const expected = namesTwice(text)
      if (expected) twice++
      const parsed = parseJsonObject(Buffer.from(text))
      if (expected ? parsed !== undefined : JSON.stringify(parsed) !== JSON.stringify(JSON.parse(text))) wrong.push(text)
    }
    expect(wrong).toEqual([])
    expect(twice).toBeGreaterThan(2000)
    expect(twice).toBeLessThan(18_000)
  })

  it.each([
    ['an array', '[]'],
    ['a string', '"x"'],
    ['null', 'null'],
    ['nothing', ''],
    ['a byte order mark', '\ufeff{}'],
    ['a comma too many', '{"a":1,}'],
  ])('is not %s', (_, text) => {
    expect(parseJsonObject(Buffer.from(text))).toBeUndefined()
  })

  it.each([
    ['a byte that is none', Buffer.from('7b2261223a22ff227d', 'hex')],
    ['a surrogate', Buffer.from('7b2261223a22eda080227d', 'hex')],
    ['an overlong form', Buffer.from('7b2261223a22c0af227d', 'hex')],
    ['a character cut short', Buffer.from('7b2261223a22c3227d', 'hex')],
  ])('is UTF-8: not %s', (_, bytes) => {
    expect(parseJsonObject(bytes)).toBeUndefined()
  })

  it('may hold the replacement character itself', () => {
    expect(parseJsonObject(Buffer.from('{"a":"\ufffd"}'))).toEqual({ a: '\ufffd' })
  })
})
