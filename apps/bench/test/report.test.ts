import { describe, expect, it } from 'vitest'
import { jsonLines, row, table } from '../src/report.ts'

const speed = { bench: 'tokens.verify.ES256', ours: 17_850.4, unit: 'ops/s', peer: 'jose', theirs: 9_400.2 } as const

describe('JSON', () => {
  it('has the documented shape, one object a line', () => {
    expect(jsonLines({ rows: [row({ ...speed, target: 1.5 })] })).toEqual([
      '{"bench":"tokens.verify.ES256","ours":17850,"unit":"ops/s","peer":"jose","theirs":9400,"ratio":1.9,"target":1.5,"pass":true}',
    ])
  })

  it('says null where there is no target', () => {
    expect(JSON.parse(jsonLines({ rows: [row(speed)] })[0]!)).toMatchObject({ target: null, pass: null })
  })

  it('prints growth as lines of their own', () => {
    const growth = [{ bench: 'x', unit: 'ops/s', size: 'keys', growth: [{ size: 10, ours: 5 }] }] as const
    const lines = jsonLines({ rows: [row(speed)], growth })
    expect(lines).toHaveLength(2)
    expect(JSON.parse(lines[1]!)).toEqual(growth[0])
  })
})

describe('judging', () => {
  it('is done before rounding', () => {
    expect(row({ ...speed, ours: 1_499.9, theirs: 1_000, target: 1.5 })).toMatchObject({ ratio: 1.5, pass: false })
  })

  it('takes the target itself for reached', () => {
    expect(row({ ...speed, ours: 1_500, theirs: 1_000, target: 1.5 }).pass).toBe(true)
  })

  it('wants less of bytes, and more of speed', () => {
    const bytes = { bench: 'b', unit: 'bytes/key', peer: 'target', theirs: 100, target: 1 } as const
    expect(row({ ...bytes, ours: 77 })).toMatchObject({ ratio: 0.77, pass: true })
    expect(row({ ...bytes, ours: 101 }).pass).toBe(false)
    expect(row({ ...speed, ours: 77, theirs: 100, target: 1 }).pass).toBe(false)
  })

  it.each(['ms', 'MiB'] as const)('wants less of %s, and no more than the target', (unit) => {
    const cost = { bench: 'c', unit, peer: 'p', theirs: 100, target: 0.2 } as const
    expect(row({ ...cost, ours: 19.9 })).toMatchObject({ unit, ratio: 0.199, pass: true })
    expect(row({ ...cost, ours: 20 }).pass).toBe(true)
    expect(row({ ...cost, ours: 20.01 })).toMatchObject({ ratio: 0.2, pass: false })
  })
})

describe('the table', () => {
  it.each([
    ['ops/s', '≥'],
    ['bytes/key', '≤'],
    ['ms', '≤'],
    ['MiB', '≤'],
  ] as const)('says of %s that its target is %s', (unit, sign) => {
    const [, line] = table([{ rows: [row({ bench: 'b', ours: 5, unit, peer: 'p', theirs: 5, target: 1 })] }]).split('\n')
    expect(line).toContain(unit)
    expect(line).toMatch(new RegExp(`${sign} 1 +pass$`))
  })

  it('has a line for each row, says what missed, and growth below', () => {
    const rows = [row({ ...speed, target: 1.5 }), row({ ...speed, peer: 'fast', theirs: 36_000, target: 1 }), row(speed)]
    const growth = [
      {
        bench: 'x',
        unit: 'ops/s',
        size: 'keys',
        growth: [
          { size: 1_000, ours: 400 },
          { size: 10_000, ours: 200 },
        ],
      },
    ] as const
    expect(table([{ rows, growth }]).split('\n')).toEqual([
      'bench                  ours  peer  theirs  unit   ratio  target',
      'tokens.verify.ES256  17,850  jose   9,400  ops/s    1.9  ≥ 1.5   pass',
      'tokens.verify.ES256  17,850  fast  36,000  ops/s  0.496  ≥ 1     MISS',
      'tokens.verify.ES256  17,850  jose   9,400  ops/s    1.9',
      '',
      'x, ops/s by number of keys: 1,000: 400, 10,000: 200 (× 0.5)',
    ])
  })
})
