import type { Clock, Continue } from '@portcullis/core'
import { addBits, type Bits, hasBit, removeBits } from './bits.ts'
import { type AccessReason, decision, type RecordDecision, reason, type SomeDecision } from './decision.ts'
import type { PermissionTable, ResolvedPermission } from './permission.ts'
import { type CompiledRole, type ReachedRule, type RoleRule, reachRules } from './role.ts'
import { isAboutFields, isInTime } from './rule.ts'

/** One answer, for every question that it is the answer to. Made on first use, then shared by everybody who holds the same. */
export interface Answer {
  readonly some: SomeDecision
  /** For every record of the caller's tenant, where `plain`, or where `some` refuses. */
  readonly record: RecordDecision
  /** Whether nothing but the record's tenant counts. */
  readonly plain: boolean
  /** What a guard answers, where it is allowed. */
  readonly proceed: Continue | undefined
  /** All rules about it, where it is allowed. */
  readonly rules: PermissionRules | undefined
}

/** All rules about one permission that somebody has. */
export interface PermissionRules {
  readonly allows: readonly ReachedRule[]
  readonly denies: readonly ReachedRule[]
  /** Those that deny fields, and not the permission. */
  readonly fieldDenies: readonly ReachedRule[]
}

/** What one set of roles, or a program acting for itself, may do, before scope and tenant. */
export class Grants {
  /** What is granted on some record at least, whatever the time. */
  readonly bits: Bits
  /** What depends on the time; `undefined` where nothing does. */
  readonly timed: Bits | undefined
  /** How many roles are behind it. */
  readonly roles: number
  /** The answers that were made, by number of permission. */
  readonly answers: readonly (Answer | undefined)[]
  readonly #answers: (Answer | undefined)[]
  readonly #held: readonly CompiledRole[]
  readonly #kind: 'roles' | 'clients'

  constructor(table: PermissionTable, held: readonly CompiledRole[], kind: 'roles' | 'clients') {
    const [bits, denied, timed] = [table.none(), table.none(), table.none()]
    for (const role of held) {
      addBits(bits, role.allow)
      addBits(denied, role.deny)
      addBits(timed, role.timed)
    }
    // Deny last, once, over everything: neither the order of roles nor inheritance can bring back what one of them denies.
    removeBits(bits, denied)
    removeBits(timed, denied)
    removeBits(bits, timed)
    this.bits = bits
    this.timed = timed.some((word) => word !== 0) ? timed : undefined
    this.roles = held.length
    this.#answers = new Array<Answer | undefined>(table.all.length).fill(undefined)
    this.answers = this.#answers
    this.#held = held
    this.#kind = kind
  }

  #rulesOf(permission: ResolvedPermission): PermissionRules {
    const denials = reachRules(this.#held, 'deny', permission)
    return {
      allows: reachRules(this.#held, 'allow', permission),
      denies: denials.filter(({ rule }) => !isAboutFields(rule)),
      fieldDenies: denials.filter(({ rule }) => isAboutFields(rule)),
    }
  }

  isTimed(permission: ResolvedPermission): boolean {
    return this.timed !== undefined && hasBit(this.timed, permission)
  }

  answer(permission: ResolvedPermission, clock: Clock): Answer {
    const kept = this.#answers[permission.index]
    if (kept !== undefined) return kept
    if (this.isTimed(permission)) return this.#make(permission, clock.now())
    // Without times, any moment gives the same answer.
    const made = this.#make(permission, 0)
    this.#answers[permission.index] = made
    return made
  }

  #make(permission: ResolvedPermission, now: number): Answer {
    const rules = this.#rulesOf(permission)
    const { allows, denies } = rules
    const denied = denies.find(({ rule }) => rule.when === undefined && isInTime(rule, now))
    if (denied !== undefined) return refuse(permission, deniedBy(denied.way, permission))
    const granted = allows.filter(({ rule }) => isInTime(rule, now))
    const whole = granted.find(({ rule }) => rule.when === undefined)
    const found = whole ?? granted[0]
    if (found === undefined) {
      const [other] = allows
      return refuse(permission, other === undefined ? this.#lacking(permission) : outsideTime(other.way, permission))
    }
    const conditional = whole === undefined || denies.length > 0
    const plain = !conditional && !this.isTimed(permission) && !allows.some(({ crossTenant }) => crossTenant)
    const why = this.granted(permission, found.way, conditional)
    const whyRecord = this.granted(permission, found.way, false)
    return {
      some: decision('some', true, permission.name, why),
      record: decision('record', true, permission.name, whyRecord),
      plain,
      proceed: Object.freeze({ type: 'continue', reason: why }),
      rules,
    }
  }

  /** Why a rule allows. */
  granted(permission: ResolvedPermission, way: RoleRule, conditional: boolean): AccessReason {
    const { name } = permission
    const tail = conditional ? ', on a condition' : ''
    if (this.#kind === 'clients') {
      const code = conditional ? 'rbac.client_holds_on_condition' : 'rbac.client_holds_permission'
      return reason(code, () => `clients may hold ${name}${way.crossTenant ? ', in every tenant' : ''}${tail}`)
    }
    const code = conditional ? 'rbac.role_grants_on_condition' : 'rbac.role_grants_permission'
    return reason(code, () => `${describe(way, 'grants', permission)}${tail}`, way)
  }

  #lacking(permission: ResolvedPermission): AccessReason {
    if (this.#kind === 'clients') {
      return reason('rbac.client_lacks_permission', () => `clients may not hold ${permission.name}`)
    }
    return lacking(
      permission,
      this.#held.map((role) => role.name),
    )
  }
}

export function refuse({ name }: ResolvedPermission, why: AccessReason): Answer {
  return {
    some: decision('some', false, name, why),
    record: decision('record', false, name, why),
    plain: true,
    proceed: undefined,
    rules: undefined,
  }
}

/** Combinations of roles that are kept; the oldest goes. Role names come from tokens, and must not fill the memory. */
const KEPT_COMBINATIONS = 256

/** The grants of every combination of roles that has been met. */
export class RoleCombinations {
  readonly #table: PermissionTable
  readonly #roles: ReadonlyMap<string, CompiledRole>
  readonly #alone: readonly Grants[]
  readonly #none: Grants
  readonly #together = new Map<string, Grants>()

  constructor(table: PermissionTable, roles: ReadonlyMap<string, CompiledRole>) {
    this.#table = table
    this.#roles = roles
    this.#none = new Grants(table, [], 'roles')
    const alone: Grants[] = []
    for (const role of roles.values()) alone[role.index] = new Grants(table, [role], 'roles')
    this.#alone = alone
  }

  /** Names that are not defined grant nothing. */
  of(names: readonly string[]): Grants {
    const [first] = names
    if (first === undefined) return this.#none
    if (names.length === 1) return this.#ofOne(this.#roles.get(first))
    const held = new Set<CompiledRole>()
    for (const name of names) {
      const role = this.#roles.get(name)
      if (role !== undefined) held.add(role)
    }
    if (held.size < 2) return this.#ofOne([...held][0])
    // By number, never by name: ['a', 'b'] and ['a,b'] must not meet in one key.
    const key = [...held]
      .map((role) => role.index)
      .sort((a, b) => a - b)
      .join()
    const kept = this.#together.get(key)
    if (kept !== undefined) return kept
    const [oldest] = this.#together.size >= KEPT_COMBINATIONS ? this.#together.keys() : []
    if (oldest !== undefined) this.#together.delete(oldest)
    const sorted = [...held].sort((a, b) => a.index - b.index)
    const made = new Grants(this.#table, sorted, 'roles')
    this.#together.set(key, made)
    return made
  }

  /** Those of the names that no role is defined for. */
  unknown(names: readonly string[]): readonly string[] {
    return names.filter((name) => !this.#roles.has(name))
  }

  #ofOne(role: CompiledRole | undefined): Grants {
    return (role && this.#alone[role.index]) ?? this.#none
  }
}

export function deniedBy(way: RoleRule, permission: ResolvedPermission, tail = ''): AccessReason {
  return reason('rbac.denied_by_role', () => `${describe(way, 'denies', permission)}${tail}`, way)
}

export function outsideTime(way: RoleRule, permission: ResolvedPermission): AccessReason {
  return reason('rbac.outside_time', () => `${describe(way, 'grants', permission)}, but not at this time`, way)
}

/** No role grants it. @param unknown names that the caller holds and nobody defined */
export function lacking({ name }: ResolvedPermission, held: readonly string[], unknown: readonly string[] = []): AccessReason {
  return reason('rbac.role_lacks_permission', () => {
    const roles = held.length === 0 ? 'the caller holds none' : `the caller holds ${held.join(', ')}`
    const others = unknown.length === 0 ? '' : `; not defined: ${unknown.map((role) => JSON.stringify(role)).join(', ')}`
    return `no role grants ${name}: ${roles}${others}`
  })
}

/** A rule in words. */
export function describe({ path, pattern, crossTenant }: RoleRule, verb: string, { name }: ResolvedPermission): string {
  const by = pattern === name ? '' : ` by ${pattern}`
  return `${path.join(' → ')} ${verb} ${name}${by}${crossTenant === undefined ? '' : ', in every tenant'}`
}
