import { formatUncovered, type Uncovered } from './testing-coverage.ts'
import type { PolicyRow, PolicyTableOptions } from './testing-row.ts'
import { askedTable, type PolicySource } from './testing-run.ts'

/** Vitest's functions, or another's that work alike: nothing is imported, so that none need be installed. */
export interface PolicyTestRunner {
  describe(name: string, body: () => void): unknown
  it(name: string, body: () => Promise<void>): unknown
  expect(value: unknown): { toBe(expected: unknown): unknown }
}

/** Options of {@link describePolicies}. */
export interface DescribePoliciesOptions<Target = unknown> extends PolicyTableOptions<Target> {
  /** What the suite is called. Default: `access policies`. */
  readonly name?: string
  /** What becomes of permissions × roles that no row is about: a failure, or whatever the function does. Default: `fail`. */
  readonly uncovered?: 'fail' | ((uncovered: readonly Uncovered[]) => void)
}

/**
 * A suite with a test for each row, named by its sentence, and one that lists permissions × roles without a row.
 * @throws PolicyTableError `rbac.policy_row_invalid`, `rbac.policy_name_unknown`: the file fails, and no row passes
 * @example
 * import { describe, expect, it } from 'vitest'
 * describePolicies(access, rows, { describe, it, expect })
 */
export function describePolicies<Permission extends string, Role extends string, Target>(
  access: PolicySource<Permission, Role, Target>,
  rows: readonly PolicyRow<Permission, Role, NoInfer<Target>>[],
  runner: PolicyTestRunner,
  options: DescribePoliciesOptions<NoInfer<Target>> = {},
): void {
  const { name = 'access policies', uncovered = 'fail', ...rest } = options
  const table = askedTable(access, rows, rest)
  runner.describe(name, () => {
    for (const asked of table.cases) {
      runner.it(asked.sentence, async () => {
        runner.expect((await asked.run()).complaint).toBe(undefined)
      })
    }
    runner.it(
      uncovered === 'fail' ? 'every permission × role has a row' : 'permissions × roles without a row are told',
      async () => {
        // Which role a row is about is known when it has been asked, and this test may run alone.
        for (const asked of table.cases) await asked.run()
        const missing = table.uncovered()
        if (uncovered === 'fail') runner.expect(formatUncovered(missing)).toBe('')
        else uncovered(missing)
      },
    )
  })
}
