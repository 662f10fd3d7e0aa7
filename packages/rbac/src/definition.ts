import type { Clock } from '@portcullis/core'
import type { Attribute, Condition, Fields, RecordTest } from './condition.ts'
import { AccessError } from './errors.ts'

/** Resources with their actions: `{ invoice: ['read', 'create'] }`. */
export type Resources = Readonly<Record<string, readonly string[]>>

/** The permissions that resources declare, as literals: `'invoice:read' | 'invoice:create'`. */
export type PermissionOf<R extends Resources> = { [N in keyof R & string]: `${N}:${R[N][number]}` }[keyof R & string]

/** What a list of permissions may hold: a permission, all of a resource (`invoice:*`), or all there are (`*`). */
export type PermissionPattern<R extends Resources> = PermissionOf<R> | `${keyof R & string}:*` | '*'

/** The fields of resources: `{ invoice: { createdBy: 'string', amount: 'number' } }`. */
export type ResourceFields<R extends Resources> = { readonly [N in keyof R & string]?: Fields }

/** A rule with more to it than the name of a permission. */
export interface ConditionalRule<Pattern extends string = string, F extends Fields = Fields, Name extends string = string> {
  /** What it is about; of several, each. */
  readonly permission: Pattern | readonly Pattern[]
  /** On which records it counts. Without it: on all. */
  readonly when?: Condition<F, Name> | RecordTest
  /** From when it counts: RFC 3339, with the offset from UTC. */
  readonly from?: string
  /** Until when it counts, that moment not included: RFC 3339, with the offset from UTC. */
  readonly until?: string
  /**
   * The fields that may be read under the permission: `*` for every declared one. In `allow`, none without it. In `deny`, the rule then
   * denies these fields, and not the permission.
   */
  readonly readable?: '*' | readonly (keyof F & string)[]
  /** The fields that may be written under the permission; otherwise as `readable`. */
  readonly writable?: '*' | readonly (keyof F & string)[]
}

/** A rule of a role: a permission by name or wildcard, or with conditions, times and fields. */
export type Rule<R extends Resources = Resources, F extends ResourceFields<R> = ResourceFields<R>, Name extends string = string> =
  | PermissionPattern<R>
  | { [N in keyof R & string]: ConditionalRule<`${N}:${R[N][number]}` | `${N}:*`, FieldsOf<F, N>, Name> }[keyof R & string]
  /** Of all resources: its fields are those that all of them declare. */
  | ConditionalRule<'*', Fields, Name>

type FieldsOf<F, N extends string> = N extends keyof F ? (F[N] extends Fields ? F[N] : NoFields) : NoFields
type NoFields = Readonly<Record<never, FieldTypeOfNone>>
type FieldTypeOfNone = 'string'

/** One role. */
export interface RoleDefinition<R = string | ConditionalRule, Role extends string = string> {
  /** Roles whose rules this one has too, what they deny included. */
  readonly inherits?: readonly Role[]
  /** What the role grants. */
  readonly allow?: readonly R[]
  /**
   * What whoever holds this role may not do, whatever else he holds. It wins over every `allow`, in any order, in every tenant. Under a
   * condition, it denies unless the condition is known to be false.
   */
  readonly deny?: readonly R[]
  /**
   * That what this role grants reaches the records of every tenant. Without it, those of the tenant that the caller acts in. A role
   * that inherits such a one has to say it, too.
   */
  readonly crossTenant?: boolean
}

/** Roles by name, as they are written, and as they are stored. */
export type RoleDefinitions = Readonly<Record<string, RoleDefinition>>

/** What `defineAccess` takes. */
export interface AccessDefinition<
  R extends Resources,
  Role extends string,
  F extends ResourceFields<R> = ResourceFields<R>,
  Name extends string = string,
> {
  /** Names begin with a letter and hold at most 64 of `A-Z a-z 0-9 _ . -`. */
  readonly resources: R
  /** The fields of records that conditions, `readable` and `writable` may name. `tenant` need not be declared. */
  readonly fields?: F
  /** Attributes of callers that conditions may name, besides those of core's `Principal`. */
  readonly attributes?: { readonly [N in Name]: Attribute }
  readonly roles: {
    readonly [N in Role]: RoleDefinition<Rule<NoInfer<R>, NoInfer<F>, NoInfer<Name>>, NoInfer<Role>>
  }
  /** What a program that acts for itself (client credentials) may hold; its token's scopes choose among it. None by default. */
  readonly clients?: Omit<RoleDefinition<Rule<NoInfer<R>, NoInfer<F>, NoInfer<Name>>>, 'inherits'>
  /** The token scope that a permission needs (a scope token, RFC 6749 §3.3). By default the permission's own name. */
  readonly scopeOf?: (permission: PermissionOf<NoInfer<R>>) => string
  /** The time by which step-up and rules with times are judged and events are stamped. */
  readonly clock?: Clock
}

/** @throws AccessError `rbac.name_invalid` */
export function checkName(kind: 'resource' | 'action' | 'role' | 'field' | 'attribute', name: unknown): string {
  // A letter first: `__proto__` is no name. No `:` and no `*`, which mean something in permissions.
  if (typeof name !== 'string' || !/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(name)) {
    throw new AccessError('rbac.name_invalid', `${JSON.stringify(name)} can't be the name of a ${kind}`, [String(name)])
  }
  return name
}

/**
 * The own members of a part of the definition. What stands on a prototype is not read: an `allow` that somebody polluted
 * `Object.prototype` with grants nothing. An unknown member is refused, as it may be a misspelt `deny`.
 * @throws AccessError `rbac.definition_invalid`
 */
export function ownMembers<const Known extends string>(
  where: string,
  part: unknown,
  known: readonly Known[],
): { readonly [N in Known]?: unknown } {
  const members: { [N in Known]?: unknown } = Object.create(null)
  for (const [name, value] of ownEntries(where, part)) {
    const found = known.find((candidate) => candidate === name)
    if (found === undefined) {
      throw new AccessError('rbac.definition_invalid', `${where} has no member ${JSON.stringify(name)}`, [name])
    }
    members[found] = value
  }
  return members
}

/** @throws AccessError `rbac.definition_invalid` */
export function ownEntries(where: string, part: unknown): readonly (readonly [name: string, value: unknown])[] {
  if (typeof part !== 'object' || part === null || Array.isArray(part)) {
    throw new AccessError('rbac.definition_invalid', `${where} is not an object`)
  }
  return Object.entries(part)
}

/** @throws AccessError `rbac.definition_invalid` */
export function stringList(where: string, list: unknown): readonly string[] {
  if (list === undefined) return []
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'string')) {
    throw new AccessError('rbac.definition_invalid', `${where} is not a list of strings`)
  }
  return list
}
