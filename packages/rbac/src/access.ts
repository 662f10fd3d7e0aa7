import { type Clock, type Principal, type RequestView, type RoutePolicy, systemClock } from '@portcullis/core'
import { Rules } from './bound.ts'
import type { AccessRecord, RecordDecision, SomeDecision } from './decision.ts'
import {
  type AccessDefinition,
  ownMembers,
  type PermissionOf,
  type ResourceFields,
  type Resources,
  type RoleDefinitions,
} from './definition.ts'
import { AccessError } from './errors.ts'
import type { FieldAccess, PickMode, PickResult, ProjectResult } from './fields.ts'
import type { AccessFilter, AccessPrefilter } from './filter.ts'
import { type PermitOptions, permitPolicy } from './guard.ts'
import { PermissionTable, type ResolvedPermission } from './permission.ts'
import { principalNow, Questions, questionsOf, type RulesInForce } from './questions.ts'
import { type CompiledRole, compileClients, compileRoles, inheritedBy } from './role.ts'
import { Schema } from './schema.ts'

/** A permission by name, or resolved before by `access.permission`. */
export type PermissionRef<Permission extends string> = Permission | ResolvedPermission<Permission>

/** The questions of {@link Access}, about one principal. */
export interface BoundAccess<Permission extends string = string> {
  /** {@link canSome} of a permission that was resolved before. @throws AccessError `rbac.permission_foreign` */
  allows(permission: ResolvedPermission<Permission>): boolean
  /** See `Access.canSome`. */
  canSome(permission: PermissionRef<Permission>): boolean
  /** See `Access.decideSome`. */
  decideSome(permission: PermissionRef<Permission>): SomeDecision
  /** See `Access.can`. */
  can(permission: PermissionRef<Permission>, record: AccessRecord): boolean
  /** See `Access.decide`. */
  decide(permission: PermissionRef<Permission>, record: AccessRecord): RecordDecision
  /** See `Access.filter`. */
  filter(permission: PermissionRef<Permission>): AccessFilter
  /** See `Access.prefilter`. */
  prefilter(permission: PermissionRef<Permission>): AccessPrefilter
  /** See `Access.fields`. */
  fields(permission: PermissionRef<Permission>, record: AccessRecord): FieldAccess
  /** See `Access.pick`. */
  pick<Input extends object>(
    permission: PermissionRef<Permission>,
    record: AccessRecord,
    input: Input,
    options?: PickOptions,
  ): PickResult<Input>
  /** See `Access.project`. */
  project<R extends AccessRecord>(permission: PermissionRef<Permission>, record: R): ProjectResult<R>
}

/** Options of `Access.pick`. */
export interface PickOptions {
  /** What becomes of a field that may not be written. Default: `refuse`, and with it the whole input. */
  readonly unwritable?: PickMode
}

/**
 * Who may do what. None of its functions needs `this`: `const { permit, can } = access` works.
 *
 * All that take a permission throw AccessError `rbac.permission_unknown` for a name that no resource declares, and
 * `rbac.permission_foreign` for one that another definition resolved.
 */
export interface Access<Permission extends string = string, Role extends string = string> {
  /** In order of definition. */
  readonly permissions: readonly Permission[]
  /** In order of definition. */
  readonly roles: readonly Role[]
  /** The roles that a role inherits, directly or over others. @throws AccessError `rbac.role_unknown` */
  inherited(role: Role): readonly Role[]
  /** Finds a permission's place once, for checks that are made often. */
  permission<const Name extends Permission>(name: Name): ResolvedPermission<Name>
  /**
   * The same questions about one principal, for many checks in a loop. He stays as he was then; rules do not. The others bind by
   * themselves, and keep the last one.
   */
  bind(principal: Principal): BoundAccess<Permission>
  /**
   * The same questions about the caller of a request: attributes see the request, and what is decided about records is published as
   * `rbac.record_decision` with the request's correlation id.
   * @throws CoreError `core.principal_missing` when no guard of the route authenticates
   */
  forRequest(req: RequestView): BoundAccess<Permission>
  /**
   * "May some": whether there may be records with which the principal may do this: role ∩ scope ∩ time. For menus, and for routes before
   * the record is known; it says nothing about any one record, and refuses to be given one.
   * @throws AccessError `rbac.record_unexpected`
   * @example if (!access.canSome(principal, 'invoice:create')) return problem({ status: 403 })
   */
  canSome(principal: Principal, permission: PermissionRef<Permission>): boolean
  /** {@link canSome}, with the reason. @throws AccessError `rbac.record_unexpected` */
  decideSome(principal: Principal, permission: PermissionRef<Permission>): SomeDecision
  /**
   * "May this one": role ∩ scope ∩ tenant ∩ time, on a rule whose condition the record meets. Refused without a record, or when the record
   * or the principal has no tenant.
   * @example if (!access.can(principal, 'invoice:read', invoice)) return problem({ status: 404 })
   */
  can(principal: Principal, permission: PermissionRef<Permission>, record: AccessRecord): boolean
  /** {@link can}, with the reason and what each rule came to. An object: read `allowed`. */
  decide(principal: Principal, permission: PermissionRef<Permission>, record: AccessRecord): RecordDecision
  /**
   * {@link can} for the caller of a request, published; for the reason ask `forRequest(req).decide`.
   * @throws CoreError `core.principal_missing` when no guard of the route authenticates
   */
  check(req: RequestView, permission: PermissionRef<Permission>, record: AccessRecord): boolean
  /**
   * The condition behind {@link can}, for lists: as a predicate and as SQL; for Kysely see `@portcullis/rbac/kysely`. A caller who may
   * not at all gets one that selects nothing.
   * @throws AccessError `rbac.filter_opaque` where a condition is a function
   * @example const { sql, parameters } = access.filter(principal, 'invoice:read').sql({ dialect: 'postgres', columns })
   */
  filter(principal: Principal, permission: PermissionRef<Permission>): AccessFilter
  /** {@link filter}, where conditions may be functions: queries select too much, and `matches` has to sort it out. */
  prefilter(principal: Principal, permission: PermissionRef<Permission>): AccessPrefilter
  /** The fields of a record that may be read and written under a permission. None where the record is refused. */
  fields(principal: Principal, permission: PermissionRef<Permission>, record: AccessRecord): FieldAccess
  /**
   * What of an input may be written to a record. Refused where the record is, and, unless told to strip, where one field may not be written.
   * @param record as the store has it; for a new one `{ tenant: principal.tenant }`, with the fields that conditions name
   * @example const change = access.pick(principal, 'invoice:update', invoice, body)
   */
  pick<Input extends object>(
    principal: Principal,
    permission: PermissionRef<Permission>,
    record: AccessRecord,
    input: Input,
    options?: PickOptions,
  ): PickResult<Input>
  /** What of a record may be read. */
  project<R extends AccessRecord>(principal: Principal, permission: PermissionRef<Permission>, record: R): ProjectResult<R>
  /**
   * The rule of a route: the caller must hold the permission, or all of several, on some record; which ones, only {@link check} can tell.
   * Refuses with 403; where only the credential's scope falls short, with RFC 6750's `insufficient_scope`; where only `stepUp` does, with
   * 401 (RFC 9470).
   * @throws AccessError `rbac.permission_unknown`, `rbac.permission_foreign`, `rbac.step_up_invalid`
   * @example app.post('/invoices/:id/refund', guard([bearer], permit('invoice:refund', { stepUp: { maxAge: 300 } })), refund)
   */
  permit(
    permission: PermissionRef<Permission> | readonly [PermissionRef<Permission>, ...PermissionRef<Permission>[]],
    options?: PermitOptions,
  ): RoutePolicy
  /**
   * The same resources with other roles, for example stored ones: they are checked as those of the definition were, and every unknown name
   * is told. Permissions that this one resolved are good there, too; policies that this one made keep its own roles.
   * @param roles as JSON has them, or as they are written; nothing but own members is read
   * @throws AccessError as `defineAccess`
   */
  withRoles(roles: RoleDefinitions): Access<Permission>
}

/** What does not change when roles do. */
interface Foundation {
  readonly table: PermissionTable
  readonly schema: Schema
  readonly clients: CompiledRole
  readonly clock: Clock
}

/** Roles as they are compiled, and the rules that are made of them. */
export interface CompiledAccess {
  readonly roles: ReadonlyMap<string, CompiledRole>
  readonly rules: Rules
}

const FOUNDATIONS = new WeakMap<object, Foundation & CompiledAccess>()

/**
 * Defines resources, roles and what they may do. Wildcards, inheritance and denials are resolved here, once; what comes of it
 * does not change, also when the objects it was made of do.
 * @throws AccessError `rbac.definition_invalid`, `rbac.name_invalid`, `rbac.permission_unknown`, `rbac.role_unknown`,
 * `rbac.role_cycle`, `rbac.scope_invalid`, `rbac.condition_invalid`, `rbac.field_unknown`, `rbac.attribute_unknown`,
 * `rbac.cross_tenant_implicit`
 * @example
 * const access = defineAccess({
 *   resources: { invoice: ['read', 'create', 'refund'] },
 *   fields: { invoice: { createdBy: 'string' } },
 *   roles: {
 *     clerk: { allow: [{ permission: 'invoice:read', when: { owner: 'createdBy' } }] },
 *     owner: { inherits: ['clerk'], allow: ['invoice:*'] },
 *   },
 * })
 */
export function defineAccess<
  const R extends Resources,
  Role extends string,
  const F extends ResourceFields<R> = Readonly<Record<never, never>>,
  Name extends string = never,
>(definition: AccessDefinition<R, Role, F, Name>): Access<PermissionOf<R>, Role> {
  const written = ownMembers('the definition', definition, [
    'resources',
    'fields',
    'attributes',
    'roles',
    'clients',
    'scopeOf',
    'clock',
  ])
  const scopeOf = (written.scopeOf ?? identity) as (permission: string) => unknown
  if (typeof scopeOf !== 'function') throw new AccessError('rbac.definition_invalid', 'scopeOf is not a function')
  const clock = (written.clock as Clock | undefined) ?? systemClock
  const table = new PermissionTable(written.resources, scopeOf)
  const schema = new Schema(new Set(table.all.map(({ resource }) => resource)), written.fields, written.attributes)
  const foundation = { table, schema, clock, clients: compileClients(table, schema, written.clients) }
  const compiled = compile(foundation, written.roles)
  return createAccess<PermissionOf<R>, Role>(foundation, compiled, compiled)
}

/** @throws AccessError as {@link defineAccess} */
function compile({ table, schema, clients, clock }: Foundation, written: unknown): CompiledAccess {
  const roles = compileRoles(table, schema, written)
  return { roles, rules: new Rules(table, clock, roles, clients) }
}

/** Checks and compiles roles for an access. @throws AccessError as {@link defineAccess} */
export function compileFor(access: Access, roles: unknown): CompiledAccess {
  return compile(foundationOf(access), roles)
}

/** The roles of an access, compiled. */
export function compiledOf(access: Access): CompiledAccess {
  return foundationOf(access)
}

/** An access whose rules change. */
export function followingAccess<Permission extends string>(
  access: Access<Permission>,
  inForce: RulesInForce & CompiledAccess,
): Access<Permission> {
  return createAccess<Permission, string>(foundationOf(access), foundationOf(access), inForce)
}

function foundationOf(access: Access): Foundation & CompiledAccess {
  const found = FOUNDATIONS.get(access)
  if (found === undefined) throw new AccessError('rbac.definition_invalid', 'it was not made by defineAccess')
  return found
}

function createAccess<Permission extends string, Role extends string>(
  foundation: Foundation,
  compiled: CompiledAccess,
  inForce: RulesInForce & CompiledAccess,
): Access<Permission, Role> {
  type Ref = PermissionRef<Permission>
  const { table } = foundation
  // Rules that never change are asked without a detour.
  const fixed = inForce.age === undefined ? inForce.rules : undefined
  const of = (principal: Principal): Questions => new Questions(inForce, principal)
  const rolesNow = (): readonly Role[] => Object.freeze([...inForce.roles.keys()] as Role[])
  const access: Access<Permission, Role> = {
    permissions: Object.freeze(table.all.map(({ name }) => name as Permission)),
    roles: rolesNow(),
    inherited: (role: Role) => inheritedBy(inForce.roles, role) as Role[],
    permission: <const Name extends Permission>(name: Name) => table.resolve(name) as ResolvedPermission<Name>,
    bind: (principal: Principal) => of(principalNow(principal)),
    forRequest: (req: RequestView) => questionsOf(inForce, req),
    canSome(principal: Principal, permission: Ref, record?: unknown) {
      if (record !== undefined || fixed === undefined) return of(principal).canSome(permission, record)
      return fixed.bind(principal).canSome(permission)
    },
    decideSome(principal: Principal, permission: Ref, record?: unknown) {
      if (record !== undefined || fixed === undefined) return of(principal).decideSome(permission, record)
      return fixed.bind(principal).decideSome(permission)
    },
    can(principal: Principal, permission: Ref, record: AccessRecord) {
      if (fixed === undefined) return of(principal).can(permission, record)
      return fixed.bind(principal).can({ principal, request: undefined, clock: fixed.clock }, permission, record)
    },
    decide: (principal: Principal, permission: Ref, record: AccessRecord) => of(principal).decide(permission, record),
    check: (req: RequestView, permission: Ref, record: AccessRecord) => questionsOf(inForce, req).can(permission, record),
    filter: (principal: Principal, permission: Ref) => of(principal).filter(permission),
    prefilter: (principal: Principal, permission: Ref) => of(principal).prefilter(permission),
    fields: (principal: Principal, permission: Ref, record: AccessRecord) => of(principal).fields(permission, record),
    pick: <Input extends object>(
      principal: Principal,
      permission: Ref,
      record: AccessRecord,
      input: Input,
      options?: PickOptions,
    ) => of(principal).pick(permission, record, input, options),
    project: <R extends AccessRecord>(principal: Principal, permission: Ref, record: R) =>
      of(principal).project(permission, record),
    permit: (permission: Ref | readonly Ref[], options: PermitOptions = {}) => permitPolicy(inForce, listOf(permission), options),
    withRoles(roles: RoleDefinitions) {
      const other = compile(foundation, roles)
      return createAccess<Permission, string>(foundation, other, other)
    },
  }
  // Only where it is needed: an object with an accessor is slower at everything else, too.
  if (fixed === undefined) Object.defineProperty(access, 'roles', { get: rolesNow, enumerable: true })
  FOUNDATIONS.set(access, { ...foundation, ...compiled })
  return Object.freeze(access)
}

function identity(permission: string): string {
  return permission
}

function listOf<Permission extends string>(
  permission: PermissionRef<Permission> | readonly PermissionRef<Permission>[],
): readonly PermissionRef<Permission>[] {
  return typeof permission === 'object' && 'length' in permission ? permission : [permission]
}
