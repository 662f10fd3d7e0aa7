import { afterEach, describe, expect, it, vi } from 'vitest'
import { createStrengthEstimator } from '../src/strength.ts'

const strength = createStrengthEstimator()

afterEach(() => {
  vi.restoreAllMocks()
})

/** How often zxcvbn cuts a piece out of a text: once for each look-up, which is what makes it slow. */
function pieces(password: string, words?: readonly string[]): number {
  const slice = vi.spyOn(String.prototype, 'slice')
  strength.estimate(password, words)
  const count = slice.mock.calls.length
  slice.mockRestore()
  return count
}

describe('strength', () => {
  it.each([
    ['correct horse battery staple', 4],
    ['kX9#vLq2$wRz', 4],
    ['password', 0],
    ['P4$$w0rd', 0],
    ['qwertyuiop', 0],
    ['aaaaaaaaaaaaaaaaaaaa', 0],
    ['', 0],
  ])('scores %j', (password, score) => {
    expect(strength.estimate(password).score).toBe(score)
  })

  it('knows what a guesser knows', () => {
    const alone = strength.estimate('lovelace-ledger').guessesLog10
    expect(strength.estimate('lovelace-ledger', ['Lovelace', 'Ledger']).guessesLog10).toBeLessThan(alone)
  })
})

describe('a crafted password as a lever (zxcvbn, run: 1.5 s of synchronous work)', () => {
  const fill = (unit: string, length: number): string => unit.repeat(Math.ceil(length / unit.length)).slice(0, length)
  // What was slowest among twenty sorts of input, at 256 characters 1 to 6 s each without the budget.
  const crafted = [
    '4@831!|0$5+7%2',
    'p@$$w0rd',
    '1991-12-25',
    'l3773r5',
    '\\/\\/vvVv',
    '19',
    '@4@4(1|!',
    'aabaabcaabaabcd',
    '83920174650',
  ]

  it.each(crafted)('%j, as long as it may be and longer, costs no more look-ups than the budget', (unit) => {
    for (const length of [32, 256, 100_000]) expect(pieces(fill(unit, length))).toBeLessThan(10_000)
  })

  it('costs the same at 32 characters as at a million', () => {
    for (const unit of crafted) expect(pieces(fill(unit, 1_000_000))).toBe(pieces(fill(unit, 32)))
  })

  it('words without end cost no more than 32 short ones', () => {
    const many = Array.from({ length: 100_000 }, (_, i) => `${i}`.padEnd(1000, 'x'))
    const lower = vi.spyOn(String.prototype, 'toLowerCase')
    strength.estimate('83920174650839201746508392017465', many)
    expect(lower.mock.calls.length).toBeLessThan(2000)
    expect(Math.max(...lower.mock.contexts.map((text) => String(text).length))).toBeLessThanOrEqual(32)
  })
})
