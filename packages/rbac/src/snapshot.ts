import {
  authenticated,
  type Clock,
  type EndpointRoute,
  epochSeconds,
  type Guard,
  json,
  type Principal,
  requirePrincipal,
  systemClock,
} from '@portcullis/core'
import { checkWhole, optionsInvalid } from './decider-errors.ts'
import type { AccessSnapshot } from './snapshot-browser.ts'

export { type AccessSnapshot, createSnapshot, type Snapshot, SnapshotError } from './snapshot-browser.ts'

/** The part of `Access` that a snapshot is made of. */
export interface SnapshotSource<Permission extends string = string> {
  readonly permissions: readonly Permission[]
  canSome(principal: Principal, permission: NoInfer<Permission>): boolean
}

/** Options of {@link snapshotOf}. */
export interface SnapshotOptions {
  /** Seconds that it lasts. Default: 300. */
  readonly lifetime?: number
  readonly clock?: Clock
}

/** Options of {@link snapshotEndpoint}. */
export interface SnapshotEndpointOptions extends SnapshotOptions {
  /** Authenticate the caller: `session` or `bearer`. At least one. */
  readonly guards: readonly Guard[]
  /** Default: `/access/snapshot`. */
  readonly path?: string
}

/**
 * What a principal may do with some records: roles ∩ scopes, as `canSome` answers now. Plain JSON for his own browser: it names
 * permissions that he has, and nothing of roles, rules, reasons or others. A change of his roles shows when it has expired; the
 * server decides by what is so then.
 * @throws DeciderError `rbac.decider_options_invalid` when `lifetime` is not 1 to 86400 whole seconds
 */
export function snapshotOf<Permission extends string>(
  access: SnapshotSource<Permission>,
  principal: Principal,
  options: SnapshotOptions = {},
): AccessSnapshot {
  const lifetime = checkWhole('lifetime', options.lifetime ?? 300, 1, 86_400)
  const issuedAt = epochSeconds(options.clock ?? systemClock)
  const byResource = new Map<string, string[]>()
  for (const permission of access.permissions) {
    // `true` alone: a decision is an object, and so always truthy.
    if (access.canSome(principal, permission) !== true) continue
    const colon = permission.indexOf(':')
    const resource = permission.slice(0, colon)
    const actions = byResource.get(resource)
    if (actions === undefined) byResource.set(resource, [permission.slice(colon + 1)])
    else actions.push(permission.slice(colon + 1))
  }
  return { version: 1, issuedAt, expiresAt: issuedAt + lifetime, permissions: Object.fromEntries(byResource) }
}

/**
 * Gives every caller who is known his own snapshot, and nobody another's: there is nothing in the request that names one.
 * @throws DeciderError `rbac.decider_options_invalid`
 * @example mount(app, [snapshotEndpoint(access, { guards: [session] })])
 */
export function snapshotEndpoint<Permission extends string>(
  access: SnapshotSource<Permission>,
  options: SnapshotEndpointOptions,
): EndpointRoute {
  const { guards, path = '/access/snapshot', ...rest } = options
  if (!Array.isArray(guards) || guards.length === 0) throw optionsInvalid('guards names nobody who authenticates the caller')
  if (!path.startsWith('/')) throw optionsInvalid('path does not begin with /')
  checkWhole('lifetime', rest.lifetime ?? 300, 1, 86_400)
  return {
    method: 'GET',
    path,
    policy: authenticated(),
    guards,
    endpoint: async (req) => json(snapshotOf(access, requirePrincipal(req), rest)),
  }
}
