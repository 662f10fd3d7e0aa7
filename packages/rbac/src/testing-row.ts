import { PortcullisError, type Principal } from '@portcullis/core'

/** Who: a role held alone, several held together, a name of `people`, or a principal with what matters. */
export type PolicyPerson<Role extends string = string> = Role | readonly Role[] | Partial<Principal>

/** One line of a table: who, what, which record, expected, why. Plain data: it may stand in a JSON file. */
export interface PolicyRow<Permission extends string = string, Role extends string = string, Target = unknown> {
  /** A text is a name of `people`, or else a role. A principal without `kind`, `tenant`, `subject` gets those of `options.as`. */
  readonly who: PolicyPerson<Role> | string
  /** A permission or several; each becomes a test of its own. */
  readonly what: Permission | readonly Permission[]
  /** The record: "may this one". A text is a name of `records`. Left out: "may some". */
  readonly which?: Target | string
  readonly expected: 'allow' | 'deny'
  /** Ends the sentence: `accountant may not invoice:refund: only owners give money back`. */
  readonly why: string
  /** The reason's code, where it matters for what the answer is. */
  readonly because?: string
}

/** What the rows of a table share. */
export interface PolicyTableOptions<Target = unknown> {
  /** Principals by name. */
  readonly people?: Readonly<Record<string, Partial<Principal>>>
  /** Records by name. */
  readonly records?: Readonly<Record<string, Target>>
  /** What everybody is who says nothing else. Default: a user `test` of tenant `acme` without roles, not limited to scopes. */
  readonly as?: Partial<Principal>
}

/** The codes of {@link PolicyTableError}. */
export type PolicyTableErrorCode =
  /** A row is no row: a member is missing, unknown, or of the wrong type. */
  | 'rbac.policy_row_invalid'
  /** A row names a permission, role, person or record that there is not. */
  | 'rbac.policy_name_unknown'

/** A table of policy tests is wrong: a row that can't be read must not pass. */
export class PolicyTableError extends PortcullisError<PolicyTableErrorCode> {
  /** Every name that is unknown. */
  readonly names: readonly string[]

  constructor(code: PolicyTableErrorCode, message: string, names: readonly string[] = []) {
    super(code, message)
    this.names = Object.freeze([...names])
  }
}

/** A row for one permission, with every name looked up. */
export interface PolicyCase {
  /** The row's number, from 1. */
  readonly row: number
  readonly principal: Principal
  readonly permission: string
  /** In an array, since a record may be anything; empty: "may some". */
  readonly record: readonly [unknown] | readonly []
  readonly expected: 'allow' | 'deny'
  readonly because: string | undefined
  /** The whole test as a sentence. */
  readonly sentence: string
}

/** What names are looked up in. */
export interface KnownNames {
  readonly permissions: readonly string[]
  readonly roles: readonly string[]
}

const MEMBERS: ReadonlySet<string> = new Set(['who', 'what', 'which', 'expected', 'why', 'because'])

/** @throws PolicyTableError for all that is wrong with the rows at once */
export function casesOf(known: KnownNames, rows: readonly PolicyRow[], options: PolicyTableOptions): readonly PolicyCase[] {
  if (!Array.isArray(rows) || rows.length === 0) throw invalid('there are no rows: a table without any proves nothing')
  const unknown: string[] = []
  const cases = rows.flatMap((row, at) => caseOf(known, row, at + 1, options, unknown))
  if (unknown.length > 0) {
    const names = unknown.map((entry) => entry.slice(entry.indexOf(' ') + 1))
    throw new PolicyTableError('rbac.policy_name_unknown', `nobody has defined ${unknown.join('; ')}`, names)
  }
  return cases
}

function caseOf(
  known: KnownNames,
  row: PolicyRow,
  number: number,
  options: PolicyTableOptions,
  unknown: string[],
): readonly PolicyCase[] {
  checkRow(row, number)
  const { who, what, which, expected, why, because } = row
  const named = typeof which === 'string'
  if (named && !Object.hasOwn(options.records ?? {}, which)) unknown.push(`record ${which}`)
  const record = which === undefined ? ([] as const) : ([named ? options.records?.[which] : which] as const)
  const { principal, name } = personOf(who, options)
  unknown.push(...principal.roles.filter((role) => !known.roles.includes(role)).map((role) => `role ${role}`))
  const permissions = typeof what === 'string' ? [what] : what
  unknown.push(...permissions.filter((permission) => !known.permissions.includes(permission)).map((one) => `permission ${one}`))
  const about = which === undefined ? 'some' : named ? which : JSON.stringify(which)
  return permissions.map((permission) => ({
    row: number,
    principal,
    permission,
    record,
    expected,
    because,
    sentence: `${name} ${expected === 'allow' ? 'may' : 'may not'} ${permission} on ${about}: ${why}`,
  }))
}

function personOf(
  who: unknown,
  { people = {}, as = {} }: PolicyTableOptions,
): { readonly principal: Principal; readonly name: string } {
  const base: Principal = { subject: 'test', kind: 'user', tenant: 'acme', roles: [], ...as }
  if (typeof who === 'string') {
    const person = Object.hasOwn(people, who) ? people[who] : undefined
    return { principal: { ...base, ...(person ?? { roles: [who] }) }, name: who }
  }
  if (Array.isArray(who)) return { principal: { ...base, roles: who }, name: who.join(' + ') || 'nobody' }
  const principal = { ...base, ...(who as Partial<Principal>) }
  return { principal, name: JSON.stringify(who) }
}

function checkRow(row: unknown, number: number): void {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) throw invalid(`row ${number} is not an object`)
  const { who, what, expected, why, because } = row as Record<string, unknown>
  const strange = Object.keys(row).filter((member) => !MEMBERS.has(member))
  // A misspelt `which` would make "may this one" a "may some", and pass.
  if (strange.length > 0)
    throw new PolicyTableError('rbac.policy_row_invalid', `row ${number} has no member ${strange.join(', ')}`, strange)
  const person = typeof who === 'string' || isTexts(who) || (typeof who === 'object' && who !== null && !Array.isArray(who))
  if (!person) throw invalid(`row ${number} does not say who`)
  if (!(typeof what === 'string' || (isTexts(what) && what.length > 0))) throw invalid(`row ${number} does not say what`)
  if (expected !== 'allow' && expected !== 'deny') throw invalid(`row ${number} expects neither allow nor deny`)
  if (typeof why !== 'string' || why.trim() === '') throw invalid(`row ${number} does not say why`)
  if (because !== undefined && typeof because !== 'string') throw invalid(`row ${number} has a because that is no code`)
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function invalid(message: string): PolicyTableError {
  return new PolicyTableError('rbac.policy_row_invalid', message)
}
