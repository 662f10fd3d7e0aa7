import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { RouteInfo, Store } from '@portcullis/core'
import type { MatrixAccess } from '@portcullis/rbac'
import type { GrantReach, PermissionSince, RoleGrant } from '@portcullis/rbac/advisor'
import { CliError } from './errors.ts'

/** A value, a promise of it, or a function that gives either. */
export type Given<T> = T | Promise<T> | (() => T | Promise<T>)

/** What an application's module gives the commands, as its default export. A command says which member it misses. */
export interface PortcullisApp {
  /** For `routes`, `advise` and `probe`: what `defineAccess` made. */
  readonly access?: MatrixAccess
  /** For `routes` and `probe`: what `routes(app)` of an adapter gives. */
  readonly routes?: Given<readonly RouteInfo[]>
  /** For `advise`: who holds which role. */
  readonly grants?: Given<Iterable<RoleGrant> | AsyncIterable<RoleGrant>>
  /** For `advise`: since when a role has a permission. */
  readonly since?: PermissionSince
  /** For `advise`: which permissions of a role reach other records than its tenant's. */
  readonly reachOf?: GrantReach
  /** For `audit`: where the log is. */
  readonly store?: Store
  /** Called when a command is done with it. */
  readonly close?: () => void | Promise<void>
}

/** Members that a command cannot do without. */
export type AppWith<Name extends keyof PortcullisApp> = PortcullisApp & { readonly [N in Name]-?: NonNullable<PortcullisApp[N]> }

/**
 * Imports an application's module: its default export is a {@link PortcullisApp}, a promise of one, or a function that gives either.
 * @throws CliError `cli.app_failed`, `cli.app_invalid`
 */
export async function loadApp<const Name extends keyof PortcullisApp>(
  file: string,
  members: readonly Name[],
): Promise<AppWith<Name>> {
  const app = await attempt(file, async () => {
    const module: { readonly default?: unknown } = await import(pathToFileURL(resolve(file)).href)
    return given(module.default as Given<unknown>)
  })
  if (typeof app !== 'object' || app === null) throw invalid(file, 'has no default export that is an object')
  for (const name of members) {
    if (!isMember(name, (app as Readonly<Record<string, unknown>>)[name])) throw invalid(file, `gives no ${name}`)
  }
  return app as AppWith<Name>
}

/**
 * Something that a module gives, asked for if it is a function.
 * @throws CliError `cli.app_failed`
 */
export function giving<T>(file: string, value: Given<T>): Promise<T> {
  return attempt(file, () => given(value))
}

/**
 * The routes of an application.
 * @throws CliError `cli.app_failed`, `cli.app_invalid`
 */
export async function routesOf(file: string, app: AppWith<'routes'>): Promise<readonly RouteInfo[]> {
  const routes: unknown = await giving(file, app.routes)
  const isRoute = (route: unknown): route is RouteInfo =>
    isObject(route) && typeof route['method'] === 'string' && typeof route['pattern'] === 'string'
  if (!Array.isArray(routes) || !routes.every(isRoute)) throw invalid(file, 'gives routes that are no list of them')
  return routes
}

async function given<T>(value: Given<T>): Promise<T> {
  return typeof value === 'function' ? await (value as () => T | Promise<T>)() : await value
}

async function attempt<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    const why = cause instanceof Error ? `${cause.name}: ${cause.message}` : 'it threw something that is no error'
    throw new CliError('cli.app_failed', `${file} failed: ${why}`, { cause })
  }
}

function isMember(name: keyof PortcullisApp, value: unknown): boolean {
  if (name === 'routes') return Array.isArray(value) || typeof value === 'function' || value instanceof Promise
  if (!isObject(value)) return typeof value === 'function'
  if (name === 'access') return Array.isArray(value['roles']) && typeof value['bind'] === 'function'
  return name !== 'store' || typeof value['collection'] === 'function'
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function invalid(file: string, why: string): CliError {
  return new CliError('cli.app_invalid', `${file} ${why}`)
}
