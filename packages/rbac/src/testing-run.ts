import type { Principal, Reason } from '@portcullis/core'
import { roleOf, type Uncovered, uncoveredOf } from './testing-coverage.ts'
import { casesOf, type PolicyCase, type PolicyRow, type PolicyTableOptions } from './testing-row.ts'

/** An answer of `Access`. */
interface Answer {
  readonly allowed: boolean
  readonly reason: Reason
}

/** The part of `Access` that is tested. */
export interface PolicySource<Permission extends string = string, Role extends string = string, Target = unknown> {
  readonly permissions: readonly Permission[]
  readonly roles: readonly Role[]
  decide(principal: Principal, permission: NoInfer<Permission>, record: Target): Answer | Promise<Answer>
  decideSome(principal: Principal, permission: NoInfer<Permission>): Answer | Promise<Answer>
}

/** What became of one row, for one permission. */
export interface PolicyResult {
  /** The row's number, from 1. */
  readonly row: number
  /** `accountant may not invoice:refund on some: only owners give money back`. */
  readonly sentence: string
  readonly passed: boolean
  readonly expected: 'allow' | 'deny'
  readonly actual: 'allow' | 'deny'
  /** Why it was so. */
  readonly reason: Reason
  /** What is wrong; `undefined` when it passed. */
  readonly complaint: string | undefined
}

/** What became of a table. */
export interface PolicyReport {
  readonly passed: boolean
  readonly results: readonly PolicyResult[]
  /** Permissions × roles that no row is about. Not part of `passed`. */
  readonly uncovered: readonly Uncovered[]
}

/** A case and how to ask it. */
export interface AskedCase {
  readonly sentence: string
  run(): Promise<PolicyResult>
}

/**
 * Runs a table of policy tests.
 * @throws PolicyTableError `rbac.policy_row_invalid`, `rbac.policy_name_unknown`: no row runs then
 * @example
 * const { passed, results, uncovered } = await policyTests(access, [
 *   { who: 'viewer', what: 'invoice:refund', expected: 'deny', why: 'only owners give money back' },
 * ])
 */
export async function policyTests<Permission extends string, Role extends string, Target>(
  access: PolicySource<Permission, Role, Target>,
  rows: readonly PolicyRow<Permission, Role, NoInfer<Target>>[],
  options: PolicyTableOptions<NoInfer<Target>> = {},
): Promise<PolicyReport> {
  const table = askedTable(access, rows, options)
  const results: PolicyResult[] = []
  for (const asked of table.cases) results.push(await asked.run())
  return { passed: results.every(({ passed }) => passed), results, uncovered: table.uncovered() }
}

/** A table, ready to be asked row by row. @throws PolicyTableError */
export function askedTable<Permission extends string, Role extends string, Target>(
  access: PolicySource<Permission, Role, Target>,
  rows: readonly PolicyRow<Permission, Role, Target>[],
  options: PolicyTableOptions<Target>,
): { readonly cases: readonly AskedCase[]; uncovered(): readonly Uncovered[] } {
  const covered: Uncovered[] = []
  const cases = casesOf(access, rows, options).map((one) => ({
    sentence: one.sentence,
    async run(): Promise<PolicyResult> {
      const [record] = one.record
      const permission = one.permission as Permission
      const { allowed, reason } =
        one.record.length === 0
          ? await access.decideSome(one.principal, permission)
          : await access.decide(one.principal, permission, record as Target)
      const role = roleOf(one, reason)
      if (role !== undefined) covered.push({ role, permission: one.permission })
      return resultOf(one, allowed === true ? 'allow' : 'deny', reason)
    },
  }))
  return { cases, uncovered: () => uncoveredOf(access, covered) }
}

function resultOf({ row, sentence, expected, because }: PolicyCase, actual: 'allow' | 'deny', reason: Reason): PolicyResult {
  const wrong = actual !== expected
  const otherwise = because !== undefined && reason.code !== because
  const said = `${reason.code}: ${reason.message}`
  const complaint = wrong
    ? `row ${row}: ${actual === 'allow' ? 'it is allowed' : 'it is denied'} (${said})`
    : otherwise
      ? `row ${row}: it is so for another reason than ${because} (${said})`
      : undefined
  return { row, sentence, passed: complaint === undefined, expected, actual, reason, complaint }
}
