import { CoreError } from './errors.ts'
import { locate } from './locate.ts'

/** Something that may answer a request and is no route: middleware, a hook, a handler of what was not found. */
export interface OpaqueHandler {
  /** The function's name; of one without a name, the package it is from; else `<anonymous>`. */
  readonly name: string
  /** Where it stands, as the framework spells it: `/files/*`, `onRequest of /api/*`. */
  readonly place: string
  /** `file:line` of the function, where it can be found out. */
  readonly source?: string | undefined
}

/** What `assertCovered` of an adapter is told. */
export interface CoverageOptions {
  /**
   * Names of handlers that are known to answer without a route, or not to answer at all: each acknowledges one, and a name that
   * stands there twice is given twice. The tripwire watches them all the same.
   */
  readonly opaque?: readonly string[]
}

/** A handler as an adapter finds it in its framework. */
export interface FoundHandler {
  readonly place: string
  readonly handler: unknown
}

/** Handlers with their names, and with file and line. */
export function describeHandlers(found: readonly FoundHandler[]): OpaqueHandler[] {
  const sources = locate(found.map(({ handler }) => handler))
  return found.map(({ place, handler }, at) => ({ name: nameOf(handler, sources[at]), place, source: sources[at] }))
}

/**
 * Refuses an application with handlers that nobody has acknowledged, or an acknowledgement of something that is not there.
 * @throws CoreError `core.handlers_opaque`, `core.acknowledgement_stale`
 */
export function assertAcknowledged(handlers: readonly OpaqueHandler[], { opaque = [] }: CoverageOptions): void {
  const left = [...opaque]
  const unknown = handlers.filter(({ name }) => {
    const at = left.indexOf(name)
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
  if (unknown.length > 0) {
    const lines = unknown.map(({ name, place, source }) => `  ${name} at ${place}${source ? ` (${source})` : ''}`)
    throw new CoreError(
      'core.handlers_opaque',
      `${unknown.length} of what may answer without being a route has no rule. Put each behind a guard, or acknowledge it by name, assertCovered(app, { opaque: ['name'] }):\n${lines.join('\n')}`,
    )
  }
  if (left.length > 0) {
    throw new CoreError(
      'core.acknowledgement_stale',
      `nothing that may answer without a route is called ${left.join(', ')}: take it off the list, before something else comes by that name`,
    )
  }
}

function nameOf(handler: unknown, source: string | undefined): string {
  const name = typeof handler === 'function' ? handler.name.replace(/^(?:bound )+/, '') : ''
  // A package's function without a name can't be given one by its user.
  const folder = /.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(source ?? '')?.[1]
  return name || folder?.replace('\\', '/') || '<anonymous>'
}
