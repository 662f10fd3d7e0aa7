import { describe, expect, it } from 'vitest'
import { isSelected, parseArguments } from '../src/arguments.ts'

const known = ['core.decide', 'tokens.verify.RS256', 'tokens.verify.ES256', 'limit.memory']

describe('arguments', () => {
  it('select everything when they name nothing', () => {
    const { names, json } = parseArguments([], known)
    expect(known.filter((bench) => isSelected(bench, names))).toEqual(known)
    expect(json).toBe(false)
  })

  it('select a bench by name, and all below a name', () => {
    const { names } = parseArguments(['tokens', 'limit.memory'], known)
    expect(known.filter((bench) => isSelected(bench, names))).toEqual([
      'tokens.verify.RS256',
      'tokens.verify.ES256',
      'limit.memory',
    ])
  })

  it('take --json before and behind names, and a -- that a package manager leaves', () => {
    expect(parseArguments(['--json', 'core.decide'], known).json).toBe(true)
    expect(parseArguments(['--', 'core.decide', '--json'], known)).toMatchObject({ json: true, names: ['core.decide'] })
  })

  it('take rounds, of which there are at least 7', () => {
    expect(parseArguments([], known).rounds).toBeGreaterThanOrEqual(7)
    expect(parseArguments(['--rounds=11', '--round-ms=5'], known)).toMatchObject({ rounds: 11, roundMs: 5 })
  })

  it.each([['nothing.known'], ['token'], ['--fast'], ['-j'], ['--rounds'], ['--rounds=6'], ['--rounds=7.5'], ['--round-ms=x']])(
    'refuse %s',
    (argument) => {
      expect(() => parseArguments([argument], known)).toThrow(expect.objectContaining({ code: 'bench.arguments_invalid' }))
    },
  )
})
