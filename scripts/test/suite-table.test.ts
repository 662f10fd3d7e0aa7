import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../run.mjs'
import { suiteTable } from '../suite-table.mjs'

type Test = readonly [path: string, status?: string]

/** A report of tests, each with its titles joined as vitest shows them. */
const report = (...tests: Test[]) => ({
  success: true,
  testResults: [
    {
      name: path.join(root, 'packages/x/test/a.test.ts'),
      status: 'passed',
      message: '',
      assertionResults: tests.map(([titles, status = 'passed']) => {
        const ancestorTitles = titles.split(' › ')
        const title = ancestorTitles.pop() ?? ''
        return { status, title, fullName: titles, ancestorTitles }
      }),
    },
  ],
})

/** One row of every suite, so that none is missing. */
const others: Test[] = [
  'a store',
  'a rate-limit store',
  'exhausted keys',
  'a revocation feed',
  'an audit log',
  'one-time things',
  'seats',
  'assignments',
  'a failing store',
].map((suite) => [`${suite}: memory › it works`])

describe('the table of the suites', () => {
  it('has a row for each behaviour and a column for each backend, wherever the suite was declared', () => {
    const { markdown, faults } = suiteTable({
      a: report(...others, ['a store: memory › verbs › take is once'], ['a store: memory › any sequence (100 sequences)']),
      b: report(
        ['on a server › a store: SQL, two › verbs › take is once'],
        ['a store: SQL, two › it works'],
        ['a store: SQL, two › any sequence (1000 sequences)'],
      ),
    })
    expect(faults).toEqual([])
    expect(markdown).toContain(
      [
        '## a store',
        '',
        '|  |  | memory | SQL, two |',
        '| --- | --- | --- | --- |',
        '|  | it works | ✓ | ✓ |',
        '| verbs | take is once | ✓ | ✓ |',
        '|  | any sequence | ✓ | ✓ |',
      ].join('\n'),
    )
  })

  it.each([
    ['failed', '✗'],
    ['skipped', 'skipped'],
    ['todo', 'skipped'],
  ])('a cell that is %s is a fault, and is named', (status, cell) => {
    const { markdown, faults } = suiteTable({ a: report(...others, ['a store: SQL › it works', status]) })
    expect(faults).toEqual([`${cell}: a store: SQL › it works`])
    expect(markdown).toContain(`|  | it works | ✓ | ${cell} |`)
  })

  it('a row that one backend has and another lacks is missing there', () => {
    const { faults } = suiteTable({ a: report(...others, ['a store: SQL › it works'], ['a store: SQL › races › one wins']) })
    expect(faults).toEqual(['missing: a store: memory › races › one wins'])
  })

  it('what a backend cannot is a dash, but only a whole part of the suite', () => {
    const { markdown, faults } = suiteTable({
      a: report(
        ...others,
        ['a failing store: memory › killed › it comes back'],
        ['a failing store: SQL › it works'],
        ['a failing store: SQL › full › reads go on'],
        ['a failing store: SQL › killed › it loses nothing'],
        ['a rate-limit store: memory › a clock set back › it earns nothing'],
        ['a rate-limit store: SQL › it works'],
      ),
    })
    expect(markdown).toContain('| full | reads go on | – | ✓ |')
    expect(markdown).toContain('| a clock set back | it earns nothing | ✓ | – |')
    expect(faults).toEqual([
      'missing: a failing store: SQL › killed › it comes back',
      'missing: a failing store: memory › killed › it loses nothing',
    ])
  })

  it('any sequence is compared with the model on every backend but those that have a memory in front', () => {
    const rest = others.filter(([titles]) => !titles.startsWith('a rate-limit store'))
    const of = (backend: string, ...titles: string[]): Test[] =>
      titles.map((title) => [`a rate-limit store: ${backend} › ${title}`])
    const { markdown, faults } = suiteTable({
      a: report(
        ...rest,
        ...of('memory', 'keys › each its own', 'any sequence (100 sequences)'),
        ...of('memory, exhausted keys remembered', 'keys › each its own'),
        ...of('SQL', 'keys › each its own'),
      ),
    })
    expect(markdown).toContain('|  | any sequence | ✓ | – | missing |')
    expect(faults).toEqual(['missing: a rate-limit store: SQL › any sequence'])
  })

  it('of two runs on backends of one name, the worse counts', () => {
    for (const order of [
      ['passed', 'failed', 'skipped'],
      ['failed', 'skipped', 'passed'],
    ]) {
      const { faults } = suiteTable({
        a: report(...others, ...order.map((status): Test => ['a store: memory › it works', status])),
      })
      expect(faults).toEqual(['✗: a store: memory › it works'])
    }
  })

  it('a report that is missing, a file that could not be run, and a suite that ran nowhere are faults', () => {
    const broken = {
      success: false,
      testResults: [{ name: '/x/b.test.ts', status: 'failed', message: '', assertionResults: [] }],
    }
    expect(suiteTable({ a: report(...others.slice(1)), b: undefined, c: broken }).faults).toEqual([
      'b left no report',
      'c: b.test.ts could not be run',
      'a store: it ran on no backend',
    ])
  })

  it('a behaviour cannot break the table', () => {
    const { markdown } = suiteTable({ a: report(...others, ['a store: memory › <b> | \\ >']) })
    expect(markdown).toContain('|  | &lt;b> \\| \\\\ > | ✓ |')
  })
})
