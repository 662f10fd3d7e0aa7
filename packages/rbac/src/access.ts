import { type Principal, type RequestView, type RoutePolicy, systemClock } from '@portcullis/core'
import { Rules } from './bound.ts'
import type { AccessRecord, RecordDecision, SomeDecision } from './decision.ts'
import { type AccessDefinition, ownMembers, type PermissionOf, type Resources } from './definition.ts'
import { AccessError } from './errors.ts'
import { checkRecord, type PermitOptions, permitPolicy } from './guard.ts'
import { PermissionTable, type ResolvedPermission } from './permission.ts'
import { compileClients, compileRoles } from './role.ts'

/** A permission by name, or resolved before by `access.permission`. */
export type PermissionRef<Permission extends string> = Permission | ResolvedPermission<Permission>

/** Answers about one principal, as he was when he was bound. */
export interface BoundAccess<Permission extends string = string> {
  /** As {@link canSome}, without a reason: one bit. @throws AccessError `rbac.permission_foreign` */
  allows(permission: ResolvedPermission<Permission>): boolean
  /** See `Access.canSome`. */
  canSome(permission: PermissionRef<Permission>): SomeDecision
  /** See `Access.can`. */
  can(permission: PermissionRef<Permission>, record: AccessRecord): RecordDecision
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
  /** Finds a permission's place once, for checks that are made often. */
  permission<const Name extends Permission>(name: Name): ResolvedPermission<Name>
  /**
   * What a principal may do: role ∩ token scope. {@link can} and the others bind by themselves, and keep the last one; bind
   * by hand for many checks in a loop. It stays as the principal was then.
   */
  bind(principal: Principal): BoundAccess<Permission>
  /**
   * "May some": whether there may be records with which the principal may do this. For menus, and for routes before the
   * record is known; it says nothing about any one record.
   * @example if (!access.canSome(principal, 'invoice:create').allowed) return problem({ status: 403 })
   */
  canSome(principal: Principal, permission: PermissionRef<Permission>): SomeDecision
  /**
   * "May this one": role ∩ token scope ∩ tenant. Refused when the record or the principal has no tenant.
   * @example if (!access.can(principal, 'invoice:read', invoice).allowed) return problem({ status: 404 })
   */
  can(principal: Principal, permission: PermissionRef<Permission>, record: AccessRecord): RecordDecision
  /**
   * {@link can} for the caller of a request, published as `rbac.record_decision` with the request's correlation id.
   * @throws CoreError `core.principal_missing` when no guard of the route authenticates
   */
  check(req: RequestView, permission: PermissionRef<Permission>, record: AccessRecord): RecordDecision
  /**
   * The rule of a route: the caller must hold the permission, or all of several. Refuses with 403; where only the
   * credential's scope falls short, with RFC 6750's `insufficient_scope`; where only `stepUp` does, with 401 (RFC 9470).
   * @throws AccessError `rbac.permission_unknown`, `rbac.permission_foreign`, `rbac.step_up_invalid`
   * @example app.post('/invoices/:id/refund', guard([bearer], permit('invoice:refund', { stepUp: { maxAge: 300 } })), refund)
   */
  permit(
    permission: PermissionRef<Permission> | readonly [PermissionRef<Permission>, ...PermissionRef<Permission>[]],
    options?: PermitOptions,
  ): RoutePolicy
}

/**
 * Defines resources, roles and what they may do. Wildcards, inheritance and denials are resolved here, once; what comes of it
 * does not change, also when the objects it was made of do.
 * @throws AccessError `rbac.definition_invalid`, `rbac.name_invalid`, `rbac.permission_unknown`, `rbac.role_unknown`,
 * `rbac.role_cycle`, `rbac.scope_invalid`
 * @example
 * const access = defineAccess({
 *   resources: { invoice: ['read', 'create', 'refund'] },
 *   roles: { viewer: { allow: ['invoice:read'] }, owner: { inherits: ['viewer'], allow: ['invoice:*'] } },
 * })
 */
export function defineAccess<const R extends Resources, Role extends string>(
  definition: AccessDefinition<R, Role>,
): Access<PermissionOf<R>, Role> {
  type Permission = PermissionOf<R>
  const written = ownMembers('the definition', definition, ['resources', 'roles', 'clients', 'scopeOf', 'clock'])
  const scopeOf = (written.scopeOf ?? identity) as (permission: string) => unknown
  if (typeof scopeOf !== 'function') throw new AccessError('rbac.definition_invalid', 'scopeOf is not a function')
  const clock = (written.clock as AccessDefinition<R, Role>['clock']) ?? systemClock
  const table = new PermissionTable(written.resources, scopeOf)
  const roles = compileRoles(table, written.roles)
  const rules = new Rules(table, roles, compileClients(table, written.clients).bits)

  return Object.freeze({
    permissions: Object.freeze(table.all.map(({ name }) => name as Permission)),
    roles: Object.freeze([...roles.keys()] as Role[]),
    permission: <const Name extends Permission>(name: Name) => table.resolve(name) as ResolvedPermission<Name>,
    bind: (principal: Principal): BoundAccess<Permission> => rules.bind(principal),
    canSome: (principal: Principal, permission: PermissionRef<Permission>) => rules.bind(principal).canSome(permission),
    can: (principal: Principal, permission: PermissionRef<Permission>, record: AccessRecord) =>
      rules.bind(principal).can(permission, record),
    check: (req: RequestView, permission: PermissionRef<Permission>, record: AccessRecord) =>
      checkRecord(rules, clock, req, permission, record),
    permit: (permission: PermissionRef<Permission> | readonly PermissionRef<Permission>[], options: PermitOptions = {}) =>
      permitPolicy(rules, clock, listOf(permission), options),
  })
}

function identity(permission: string): string {
  return permission
}

function listOf<Permission extends string>(
  permission: PermissionRef<Permission> | readonly PermissionRef<Permission>[],
): readonly PermissionRef<Permission>[] {
  return typeof permission === 'object' && 'length' in permission ? permission : [permission]
}
