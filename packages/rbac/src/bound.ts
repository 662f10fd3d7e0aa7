import type { Clock, Principal } from '@portcullis/core'
import { addBit, type Bits, hasBit, keepBits } from './bits.ts'
import type { Asker } from './condition-node.ts'
import { type AccessRecord, type RecordDecision, reason, type SomeDecision } from './decision.ts'
import { type Answer, Grants, lacking, type PermissionRules, RoleCombinations, refuse } from './grants.ts'
import type { PermissionTable, ResolvedPermission } from './permission.ts'
import { decideByRules, isOwnTenant, isRecord, refusedTenant, testRules } from './record-rules.ts'
import type { CompiledRole } from './role.ts'

/** What a principal holds: role ∩ scope, in a tenant. Conditions are asked of the principal himself, who is handed in. */
export class Held {
  readonly #rules: Rules
  readonly #table: PermissionTable
  readonly #kind: string
  readonly #tenant: string | undefined
  readonly #roles: readonly string[]
  readonly #scopes: readonly string[] | undefined
  readonly #grants: Grants
  /** What the scopes open; `undefined`: everything. */
  readonly #opened: Bits | undefined
  /** Roles ∩ scopes, whatever the time. */
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
    this.#opened = this.#open()
    this.#bits = limit(this.#grants.bits, this.#opened)
    const alone = this.#opened === undefined && this.#roles.length === this.#grants.roles
    this.#made = alone ? this.#grants.answers : NONE_MADE
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

  /** Role ∩ scope ∩ time. */
  has(permission: ResolvedPermission): boolean {
    return hasBit(this.#bits, permission) || (this.#grants.timed !== undefined && this.#hasNow(permission))
  }

  /** Whether the roles alone would do. */
  grants(permission: ResolvedPermission): boolean {
    return hasBit(this.#grants.bits, permission) || this.#grantsNow(permission)
  }

  canSome(permission: string | ResolvedPermission): boolean {
    return this.has(resolve(this.#table, permission))
  }

  decideSome(permission: string | ResolvedPermission): SomeDecision {
    const resolved = resolve(this.#table, permission)
    return (this.#made[resolved.index] ?? this.#answer(resolved)).some
  }

  can(asker: Asker, permission: string | ResolvedPermission, record: AccessRecord): boolean {
    const resolved = resolve(this.#table, permission)
    const { record: whole, plain, rules } = this.answer(resolved)
    // From JavaScript, a record that was not found may come here: it is nobody's.
    if (!whole.allowed || rules === undefined || !isRecord(record)) return false
    if (plain) return isOwnTenant(this.#tenant, record)
    return testRules(rules, asker, record)
  }

  decide(asker: Asker, permission: string | ResolvedPermission, record: AccessRecord): RecordDecision {
    const resolved = resolve(this.#table, permission)
    const { record: whole, plain, rules } = this.answer(resolved)
    if (!whole.allowed || rules === undefined) return whole
    if (!isRecord(record)) return refuse(resolved, refusedTenant(this.#tenant, undefined)).record
    if (!plain) return decideByRules(resolved, asker, record, this.#grants, rules)
    if (isOwnTenant(this.#tenant, record)) return whole
    return refuse(resolved, refusedTenant(this.#tenant, record)).record
  }

  /** The rules that the caller has about it; `undefined` where he may not at all: role ∩ scope ∩ time. */
  rulesOf(permission: ResolvedPermission): PermissionRules | undefined {
    return this.answer(permission).rules
  }

  /** Role ∩ scope ∩ time, before tenant and conditions. */
  answer(permission: ResolvedPermission): Answer {
    return this.#made[permission.index] ?? this.#answer(permission)
  }

  #answer(permission: ResolvedPermission): Answer {
    const made = this.#grants.answer(permission, this.#rules.clock)
    if (made.some.allowed) return this.#isOpen(permission) ? made : this.#rules.scopeMissing(permission)
    if (made.some.reason.code !== 'rbac.role_lacks_permission') return made
    const unknown = this.#rules.roles.unknown(this.#roles)
    if (unknown.length === 0) return made
    const known = this.#roles.filter((role) => !unknown.includes(role))
    return refuse(permission, lacking(permission, known, unknown))
  }

  #hasNow(permission: ResolvedPermission): boolean {
    return this.#grantsNow(permission) && this.#isOpen(permission)
  }

  #grantsNow(permission: ResolvedPermission): boolean {
    return this.#grants.isTimed(permission) && this.#grants.answer(permission, this.#rules.clock).some.allowed
  }

  #isOpen(permission: ResolvedPermission): boolean {
    return this.#opened === undefined || hasBit(this.#opened, permission)
  }

  #open(): Bits | undefined {
    // A person's credential may be without a limit; a program has nothing but its scopes.
    if (this.#scopes === undefined) return this.#kind === 'user' ? undefined : this.#table.none()
    const opened = this.#table.none()
    for (const scope of this.#scopes) {
      for (const permission of this.#rules.ofScope.get(scope) ?? []) addBit(opened, permission)
    }
    return opened
  }
}

function limit(bits: Bits, opened: Bits | undefined): Bits {
  if (opened === undefined) return bits
  const limited = bits.slice()
  keepBits(limited, opened)
  return limited
}

// Stands before the table's own, which is slower, for the permission that was resolved before.
export function resolve(table: PermissionTable, permission: string | ResolvedPermission): ResolvedPermission {
  if (typeof permission === 'object' && permission.table === table) return permission
  return table.resolve(permission)
}

const NONE_MADE: readonly undefined[] = Object.freeze([])

/** An access definition, compiled. */
export class Rules {
  readonly table: PermissionTable
  readonly clock: Clock
  readonly roles: RoleCombinations
  readonly clients: Grants
  readonly ofScope: ReadonlyMap<string, readonly ResolvedPermission[]>
  readonly #scopeMissing: (Answer | undefined)[]
  #last: Held | undefined

  constructor(table: PermissionTable, clock: Clock, roles: ReadonlyMap<string, CompiledRole>, clients: CompiledRole) {
    this.table = table
    this.clock = clock
    this.roles = new RoleCombinations(table, roles)
    this.clients = new Grants(table, [clients], 'clients')
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
  bind(principal: Principal): Held {
    const last = this.#last
    if (last?.isOf(principal)) return last
    const held = new Held(this, principal)
    this.#last = held
    return held
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

function sameStrings(some: readonly string[] | undefined, others: readonly string[] | undefined): boolean {
  if (some === undefined || others === undefined) return some === others
  if (some.length !== others.length) return false
  for (let index = 0; index < some.length; index++) if (some[index] !== others[index]) return false
  return true
}
