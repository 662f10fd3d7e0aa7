import { expect, it } from 'vitest'
import { remembering } from '../src/recent.ts'

it('remembers at least so many of the last words, at most twice as many, and no long one', () => {
  const made: string[] = []
  const digest = remembering(3, (word) => {
    made.push(word)
    return `<${word}>`
  })
  const again = (word: string): boolean => {
    const before = made.length
    expect(digest(word)).toBe(`<${word}>`)
    return made.length === before
  }
  for (const word of ['a', 'b', 'c', 'd', 'e']) expect(again(word)).toBe(false)
  for (const word of ['c', 'd', 'e']) expect(again(word)).toBe(true)
  for (let n = 0; n < 7; n++) expect(again(`junk${n}`)).toBe(false)
  expect(again('a')).toBe(false)
  for (const lone of ['\ud800', '\udbff', '']) expect([again(lone), again(lone)]).toEqual([false, true])
  const long = 'x'.repeat(65)
  expect([again(long), again(long)]).toEqual([false, false])
})
