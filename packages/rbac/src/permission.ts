import { type Bit, type Bits, bitAt, noBits } from './bits.ts'
import { checkName, ownEntries, stringList } from './definition.ts'
import { AccessError } from './errors.ts'

/**
 * A permission with its place in the bitsets of one access definition, found once and used for every check.
 * Get it from `access.permission(name)`.
 */
export class ResolvedPermission<Name extends string = string> implements Bit {
  readonly name: Name
  /** The part of its name before the colon. */
  readonly resource: string
  /** The scope that a limited credential needs for it. */
  readonly scope: string
  /** Its number, in order of definition. */
  readonly index: number
  readonly word: number
  readonly mask: number
  /** Whose permission it is: bit 3 of one definition is another thing in another one. */
  readonly table: PermissionTable

  constructor(table: PermissionTable, name: Name, scope: string, index: number) {
    const { word, mask } = bitAt(index)
    this.name = name
    this.resource = name.slice(0, name.indexOf(':'))
    this.scope = scope
    this.index = index
    this.word = word
    this.mask = mask
    this.table = table
    Object.freeze(this)
  }
}

/** Every permission of a definition, numbered. */
export class PermissionTable {
  readonly all: readonly ResolvedPermission[]
  readonly #byName: ReadonlyMap<string, ResolvedPermission>
  readonly #byPattern: ReadonlyMap<string, readonly ResolvedPermission[]>

  /** @throws AccessError `rbac.definition_invalid`, `rbac.name_invalid`, `rbac.scope_invalid` */
  constructor(resources: unknown, scopeOf: (permission: string) => unknown) {
    const all: ResolvedPermission[] = []
    const byName = new Map<string, ResolvedPermission>()
    const byPattern = new Map<string, readonly ResolvedPermission[]>([['*', all]])
    for (const [resource, actions] of ownEntries('resources', resources)) {
      checkName('resource', resource)
      const ofResource: ResolvedPermission[] = []
      for (const action of stringList(`resource ${resource}`, actions)) {
        const name = `${resource}:${checkName('action', action)}`
        if (byName.has(name)) throw new AccessError('rbac.definition_invalid', `${name} is declared twice`, [name])
        const permission = new ResolvedPermission(this, name, checkScope(name, scopeOf(name)), all.length)
        all.push(permission)
        ofResource.push(permission)
        byName.set(name, permission)
        byPattern.set(name, [permission])
      }
      if (ofResource.length === 0) {
        throw new AccessError('rbac.definition_invalid', `resource ${resource} has no action`, [resource])
      }
      byPattern.set(`${resource}:*`, ofResource)
    }
    this.all = all
    this.#byName = byName
    this.#byPattern = byPattern
  }

  /** The permissions that a pattern stands for; `undefined` when it names something unknown. */
  expand(pattern: string): readonly ResolvedPermission[] | undefined {
    return this.#byPattern.get(pattern)
  }

  /** @throws AccessError `rbac.permission_unknown`, `rbac.permission_foreign` */
  resolve(permission: string | ResolvedPermission): ResolvedPermission {
    if (typeof permission === 'string') {
      const found = this.#byName.get(permission)
      if (found === undefined) throw unknownPermissions([permission])
      return found
    }
    if (permission.table !== this) {
      throw new AccessError('rbac.permission_foreign', `${permission.name} was resolved by another access definition`, [
        permission.name,
      ])
    }
    return permission
  }

  /** An empty set. */
  none(): Bits {
    return noBits(this.all.length)
  }
}

/** @param places where each stands, for the message */
export function unknownPermissions(names: readonly string[], places: readonly string[] = names): AccessError {
  return new AccessError('rbac.permission_unknown', `no resource declares ${places.join('; ')}`, names)
}

function checkScope(permission: string, scope: unknown): string {
  // RFC 6749 §3.3; it also keeps the scope quotable in WWW-Authenticate
  if (typeof scope !== 'string' || !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)) {
    throw new AccessError('rbac.scope_invalid', `scopeOf gave ${permission} a scope that is no scope token`, [permission])
  }
  return scope
}
