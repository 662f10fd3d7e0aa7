import type { Continue } from '@portcullis/core'
import { addBits, type Bits, hasBit, removeBits } from './bits.ts'
import { type AccessReason, decide, type RecordDecision, reason, type SomeDecision } from './decision.ts'
import type { PermissionTable, ResolvedPermission } from './permission.ts'
import { type CompiledRole, findRule, type RoleRule } from './role.ts'

/** One answer, for every question that it is the answer to. Made on first use, then shared by everybody who holds the same. */
export interface Answer {
  readonly some: SomeDecision
  readonly record: RecordDecision
  /** What a guard answers, where it is allowed. */
  readonly proceed: Continue | undefined
}

/** What one set of roles, or a program acting for itself, may do, before scope and tenant. */
export class Grants {
  readonly bits: Bits
  /** How many roles are behind it. */
  readonly roles: number
  /** The answers that were made, by number of permission. */
  readonly answers: readonly (Answer | undefined)[]
  readonly #answers: (Answer | undefined)[]
  readonly #why: Explanation

  /** @param size how many permissions there are */
  constructor(bits: Bits, roles: number, size: number, why: Explanation) {
    this.bits = bits
    this.roles = roles
    this.#answers = new Array<Answer | undefined>(size).fill(undefined)
    this.answers = this.#answers
    this.#why = why
  }

  answer(permission: ResolvedPermission): Answer {
    const kept = this.#answers[permission.index]
    if (kept !== undefined) return kept
    const made = hasBit(this.bits, permission)
      ? allow(permission, this.#why.granted(permission))
      : refuse(permission, this.#why.refused(permission))
    this.#answers[permission.index] = made
    return made
  }
}

interface Explanation {
  granted(permission: ResolvedPermission): AccessReason
  refused(permission: ResolvedPermission): AccessReason
}

function allow({ name }: ResolvedPermission, why: AccessReason): Answer {
  const proceed: Continue = Object.freeze({ type: 'continue', reason: why })
  return { some: decide('some', true, name, why), record: decide('record', true, name, why), proceed }
}

export function refuse({ name }: ResolvedPermission, why: AccessReason): Answer {
  return { some: decide('some', false, name, why), record: decide('record', false, name, why), proceed: undefined }
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
    this.#none = combine(table, [])
    const alone: Grants[] = []
    for (const role of roles.values()) alone[role.index] = combine(table, [role])
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
    const made = combine(
      this.#table,
      [...held].sort((a, b) => a.index - b.index),
    )
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

/** What programs acting for themselves may hold. */
export function clientGrants(table: PermissionTable, allow: Bits): Grants {
  return new Grants(allow, 0, table.all.length, {
    granted: ({ name }) => reason('rbac.client_holds_permission', () => `clients may hold ${name}`),
    refused: ({ name }) => reason('rbac.client_lacks_permission', () => `clients may not hold ${name}`),
  })
}

function combine(table: PermissionTable, held: readonly CompiledRole[]): Grants {
  const bits = table.none()
  const denied = table.none()
  for (const role of held) {
    addBits(bits, role.allow)
    addBits(denied, role.deny)
  }
  // Deny last, once, over everything: neither the order of roles nor inheritance can bring back what one of them denies.
  removeBits(bits, denied)
  const names = held.map((role) => role.name)
  return new Grants(bits, held.length, table.all.length, {
    granted(permission) {
      const rule = findRule(held, 'allow', permission)
      return reason('rbac.role_grants_permission', () => describe(rule, 'grants', permission), rule)
    },
    refused(permission) {
      const rule = findRule(held, 'deny', permission)
      return rule === undefined
        ? lacking(permission, names)
        : reason('rbac.denied_by_role', () => describe(rule, 'denies', permission), rule)
    },
  })
}

/** No role grants it. @param unknown names that the caller holds and nobody defined */
export function lacking({ name }: ResolvedPermission, held: readonly string[], unknown: readonly string[] = []): AccessReason {
  return reason('rbac.role_lacks_permission', () => {
    const roles = held.length === 0 ? 'the caller holds none' : `the caller holds ${held.join(', ')}`
    const others = unknown.length === 0 ? '' : `; not defined: ${unknown.map((role) => JSON.stringify(role)).join(', ')}`
    return `no role grants ${name}: ${roles}${others}`
  })
}

function describe(rule: RoleRule | undefined, verb: string, { name }: ResolvedPermission): string {
  const by = rule === undefined || rule.pattern === name ? '' : ` by ${rule.pattern}`
  return `${rule?.path.join(' → ') ?? 'a role'} ${verb} ${name}${by}`
}
