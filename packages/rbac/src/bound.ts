import type { Principal } from '@portcullis/core'
import { addBit, type Bits, hasBit, keepBits } from './bits.ts'
import { type AccessReason, type AccessRecord, decide, type RecordDecision, reason, type SomeDecision } from './decision.ts'
import { type Answer, clientGrants, type Grants, lacking, RoleCombinations, refuse } from './grants.ts'
import type { PermissionTable, ResolvedPermission } from './permission.ts'
import type { CompiledRole } from './role.ts'

/** Answers about one principal. */
export class PrincipalAccess {
  readonly #rules: Rules
  readonly #table: PermissionTable
  readonly #kind: string
  readonly #tenant: string | undefined
  readonly #roles: readonly string[]
  readonly #scopes: readonly string[] | undefined
  readonly #grants: Grants
  /** Roles ∩ scopes. */
  readonly #bits: Bits
  /** Answers made before, where the roles are all that counts; else empty. */
  readonly #made: readonly (Answer | undefined)[]

  constructor(rules: Rules, principal: Principal) {
    this.#rules = rules
    this.#table = rules.table
    this.#kind = principal.kind
    this.#tenant = principal.tenant
    this.#roles = [...principal.roles]
    this.#scopes = principal.scopes && [...principal.scopes]
    // A program that acts for itself holds no roles, whatever its token says about them.
    this.#grants = principal.kind === 'user' ? rules.roles.of(this.#roles) : rules.clients
    this.#bits = this.#limit(this.#grants.bits)
    this.#made = this.#bits === this.#grants.bits && this.#roles.length === this.#grants.roles ? this.#grants.answers : NONE_MADE
  }

  /** Whether it was made from what the principal says now. */
  isOf(principal: Principal): boolean {
    return (
      principal.kind === this.#kind &&
      principal.tenant === this.#tenant &&
      sameStrings(principal.roles, this.#roles) &&
      sameStrings(principal.scopes, this.#scopes)
    )
  }

  has(permission: ResolvedPermission): boolean {
    return hasBit(this.#bits, permission)
  }

  /** Whether the roles alone would do. */
  grants(permission: ResolvedPermission): boolean {
    return hasBit(this.#grants.bits, permission)
  }

  allows(permission: ResolvedPermission): boolean {
    return hasBit(this.#bits, resolve(this.#table, permission))
  }

  canSome(permission: string | ResolvedPermission): SomeDecision {
    const resolved = resolve(this.#table, permission)
    return (this.#made[resolved.index] ?? this.#answer(resolved)).some
  }

  can(permission: string | ResolvedPermission, record: AccessRecord): RecordDecision {
    const resolved = resolve(this.#table, permission)
    const { record: decision } = this.answer(resolved)
    if (!decision.allowed) return decision
    // From JavaScript, a record that was not found may come here: it is nobody's.
    const tenant: unknown = record?.tenant
    if (tenant === this.#tenant && isTenant(tenant)) return decision
    return decide('record', false, resolved.name, refusedTenant(this.#tenant, tenant))
  }

  /** Role ∩ scope, before tenant. */
  answer(permission: ResolvedPermission): Answer {
    return this.#made[permission.index] ?? this.#answer(permission)
  }

  #answer(permission: ResolvedPermission): Answer {
    if (this.has(permission)) return this.#grants.answer(permission)
    if (this.grants(permission)) return this.#rules.scopeMissing(permission)
    const refused = this.#grants.answer(permission)
    if (refused.some.reason.code !== 'rbac.role_lacks_permission') return refused
    const unknown = this.#rules.roles.unknown(this.#roles)
    if (unknown.length === 0) return refused
    const known = this.#roles.filter((role) => !unknown.includes(role))
    return refuse(permission, lacking(permission, known, unknown))
  }

  #limit(bits: Bits): Bits {
    if (this.#scopes === undefined) return this.#kind === 'user' ? bits : this.#table.none()
    const limited = this.#table.none()
    for (const scope of this.#scopes) {
      const opened = this.#rules.ofScope.get(scope)
      if (opened !== undefined) for (const permission of opened) addBit(limited, permission)
    }
    keepBits(limited, bits)
    return limited
  }
}

// Stands before the table's own, which is slower, for the permission that was resolved before.
function resolve(table: PermissionTable, permission: string | ResolvedPermission): ResolvedPermission {
  if (typeof permission === 'object' && permission.table === table) return permission
  return table.resolve(permission)
}

const NONE_MADE: readonly undefined[] = Object.freeze([])

/** An access definition, compiled. */
export class Rules {
  readonly table: PermissionTable
  readonly roles: RoleCombinations
  readonly clients: Grants
  readonly ofScope: ReadonlyMap<string, readonly ResolvedPermission[]>
  readonly #scopeMissing: (Answer | undefined)[]
  #last: PrincipalAccess | undefined

  constructor(table: PermissionTable, roles: ReadonlyMap<string, CompiledRole>, clients: Bits) {
    this.table = table
    this.roles = new RoleCombinations(table, roles)
    this.clients = clientGrants(table, clients)
    const ofScope = new Map<string, ResolvedPermission[]>()
    for (const permission of table.all) {
      const others = ofScope.get(permission.scope)
      if (others === undefined) ofScope.set(permission.scope, [permission])
      else others.push(permission)
    }
    this.ofScope = ofScope
    this.#scopeMissing = new Array<Answer | undefined>(table.all.length).fill(undefined)
  }

  /**
   * Only the last one is kept: checks come in runs about one principal, and to put a principal into a WeakMap costs ten times
   * what it costs to bind him again. What is kept is compared, so that it can't outlive what it was made from.
   */
  bind(principal: Principal): PrincipalAccess {
    const last = this.#last
    if (last?.isOf(principal)) return last
    const bound = new PrincipalAccess(this, principal)
    this.#last = bound
    return bound
  }

  scopeMissing(permission: ResolvedPermission): Answer {
    const kept = this.#scopeMissing[permission.index]
    if (kept !== undefined) return kept
    const { name, scope } = permission
    const why = reason('rbac.scope_missing', () => `the credential lacks scope ${scope}, which ${name} needs`)
    const made = refuse(permission, why)
    this.#scopeMissing[permission.index] = made
    return made
  }
}

function isTenant(tenant: unknown): tenant is string {
  return typeof tenant === 'string' && tenant !== ''
}

function refusedTenant(caller: string | undefined, record: unknown): AccessReason {
  if (!isTenant(caller)) return reason('rbac.tenant_missing', () => 'the caller acts in no tenant')
  if (!isTenant(record)) return reason('rbac.tenant_missing', () => 'the record names no tenant')
  return reason(
    'rbac.tenant_mismatch',
    () => `the record is of tenant ${JSON.stringify(record)}, the caller acts in ${JSON.stringify(caller)}`,
  )
}

function sameStrings(some: readonly string[] | undefined, others: readonly string[] | undefined): boolean {
  if (some === undefined || others === undefined) return some === others
  if (some.length !== others.length) return false
  for (let index = 0; index < some.length; index++) if (some[index] !== others[index]) return false
  return true
}
