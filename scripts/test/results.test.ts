import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { closingLine, readResults, sum, summarize } from '../results.mjs'
import { root } from '../run.mjs'

const name = path.join(root, 'packages/core/test/a.test.ts')
const assertion = (status: string, title: string) => ({ status, title, fullName: title, ancestorTitles: ['suite'] })
const file = (status: string, assertionResults: ReturnType<typeof assertion>[], message = '') => ({
  name,
  status,
  message,
  assertionResults,
})

describe('the sum of the test runs', () => {
  it('counts passed, failed and skipped tests and names the latter two', () => {
    const results = summarize('core', {
      success: false,
      testResults: [
        file('failed', [assertion('passed', 'a'), assertion('failed', 'b'), assertion('skipped', 'c'), assertion('todo', 'd')]),
      ],
    })
    expect(results).toEqual({
      passed: 1,
      failed: ['packages/core/test/a.test.ts › suite › b'],
      skipped: ['packages/core/test/a.test.ts › suite › c', 'packages/core/test/a.test.ts › suite › d'],
    })
    expect(closingLine(sum([results, results]))).toBe('2 passed, 2 failed, 4 skipped')
  })

  it('counts a file that broke at its import as a failure, though none of its tests is listed', () => {
    const results = summarize('core', { success: false, testResults: [file('failed', [], 'Cannot find module x\n at y')] })
    expect(results.failed).toEqual(['packages/core/test/a.test.ts › Cannot find module x'])
  })

  it('counts an error outside the tests as a failure, though every test passed', () => {
    const results = summarize('core', { success: false, testResults: [file('passed', [assertion('passed', 'a')])] })
    expect(results.failed).toEqual(['core › an error outside its tests'])
  })

  it('counts a run that left no report, and one that ran no test, as failures', () => {
    expect(readResults('core', path.join(root, 'no-such-file.json')).failed).toHaveLength(1)
    expect(summarize('core', { success: false, testResults: [] }).failed).toEqual(['core › has no tests'])
  })
})
