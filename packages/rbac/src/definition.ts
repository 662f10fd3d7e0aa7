import type { Clock } from '@portcullis/core'
import { AccessError } from './errors.ts'

/** Resources with their actions: `{ invoice: ['read', 'create'] }`. */
export type Resources = Readonly<Record<string, readonly string[]>>

/** The permissions that resources declare, as literals: `'invoice:read' | 'invoice:create'`. */
export type PermissionOf<R extends Resources> = { [N in keyof R & string]: `${N}:${R[N][number]}` }[keyof R & string]

/** What a list of permissions may hold: a permission, all of a resource (`invoice:*`), or all there are (`*`). */
export type PermissionPattern<R extends Resources> = PermissionOf<R> | `${keyof R & string}:*` | '*'

/** One role. */
export interface RoleDefinition<Pattern extends string = string, Role extends string = string> {
  /** Roles whose lists this one has too, what they deny included. */
  readonly inherits?: readonly Role[]
  /** What the role grants. */
  readonly allow?: readonly Pattern[]
  /** What whoever holds this role may not do, whatever else he holds. It wins over every `allow`, in any order. */
  readonly deny?: readonly Pattern[]
}

/** What `defineAccess` takes. */
export interface AccessDefinition<R extends Resources, Role extends string> {
  /** Names begin with a letter and hold at most 64 of `A-Z a-z 0-9 _ . -`. */
  readonly resources: R
  readonly roles: { readonly [N in Role]: RoleDefinition<PermissionPattern<NoInfer<R>>, NoInfer<Role>> }
  /** What a program that acts for itself (client credentials) may hold; its token's scopes choose among it. None by default. */
  readonly clients?: { readonly allow: readonly PermissionPattern<NoInfer<R>>[] }
  /** The token scope that a permission needs (a scope token, RFC 6749 §3.3). By default the permission's own name. */
  readonly scopeOf?: (permission: PermissionOf<NoInfer<R>>) => string
  /** The time by which step-up is judged and events are stamped. */
  readonly clock?: Clock
}

/** @throws AccessError `rbac.name_invalid` */
export function checkName(kind: 'resource' | 'action' | 'role', name: unknown): string {
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
