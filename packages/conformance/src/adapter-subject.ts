import {
  type CoverageOptions,
  type EndpointRoute,
  type Guard,
  type HeaderList,
  type OpaqueHandler,
  type Principal,
  type RouteInfo,
  type RoutePolicy,
  type SecurityEvent,
  subscribe,
} from '@portcullis/core'
import type { EntranceOptions } from '@portcullis/core/node'
import { type RawRequest, send, type WireResponse } from './adapter-wire.ts'

/** An application without a framework. An adapter's test builds it on its own. */
export interface AppDescription {
  /** Default: `{}`; `false`: the application has none. */
  readonly entrance?: EntranceOptions | false
  /** What is installed before the entrance, wrongly. */
  readonly before?: readonly Part[]
  /** In order. */
  readonly parts: readonly Part[]
  /** Settings of the framework's own router: one of {@link AdapterUnderTest.routerSettings}. */
  readonly router?: Readonly<Record<string, unknown>>
}

/** Something that is installed in an application or a router. */
export type Part =
  | RoutePart
  | NestedPart
  | AppPart
  | MountPart
  | MiddlewarePart
  | GuardPart
  | HeadersPart
  | ParserPart
  | DrainPart
  | OverridePart

/** A route of the application. */
export interface RoutePart {
  readonly kind: 'route'
  /** Upper case; `ALL`: the framework's way to answer every method. */
  readonly method: string
  /** Literal segments and `:name`; a RegExp only where {@link AdapterUnderTest.regExpPaths} says so. */
  readonly path: RoutePath | readonly RoutePath[]
  /** Asked before the policy. */
  readonly guards?: readonly Guard[]
  /** `undefined`: the route declares none, and has no guard. */
  readonly policy?: RoutePolicy | undefined
  /** A handler that does nothing stands before the guard. */
  readonly guardIsLate?: boolean
  handler(request: HandlerRequest): HandlerAnswer | Promise<HandlerAnswer>
}

/** A path of a route. */
export type RoutePath = string | RegExp

/** A router (Fastify: a plugin) under a prefix. */
export interface NestedPart {
  readonly kind: 'nested'
  readonly prefix: string
  readonly parts: readonly Part[]
}

/** An application that is mounted in another one, by the framework's usual means (Fastify: a plugin). */
export interface AppPart {
  readonly kind: 'app'
  readonly prefix: string
  readonly parts: readonly Part[]
}

/** Middleware (Fastify: an `onRequest` hook) that may answer without being a route. */
export interface MiddlewarePart {
  readonly kind: 'middleware'
  /** What the function is called; empty: it has no name. */
  readonly name: string
  /** Where the framework gives middleware a path, only there. */
  readonly path?: string
  /** A guard stands before it, on the same path or in the same list. */
  readonly guards?: readonly Guard[]
  readonly policy?: RoutePolicy
  /** `undefined`: it goes on. */
  handler(request: HandlerRequest): HandlerAnswer | undefined
}

/** The adapter's guard as middleware (Fastify: as an `onRequest` hook), of the application or of a router. */
export interface GuardPart {
  readonly kind: 'guard'
  readonly guards?: readonly Guard[]
  readonly policy: RoutePolicy
}

/** Middleware (Fastify: a hook) that takes the method from `X-HTTP-Method-Override`, as method-override does. */
export interface OverridePart {
  readonly kind: 'override'
}

/** Endpoints, given to the adapter's `mount`. */
export interface MountPart {
  readonly kind: 'mount'
  readonly endpoints: readonly EndpointRoute[]
}

/** Middleware (Fastify: a hook) of the application that sets headers, each replacing what was there, and goes on. */
export interface HeadersPart {
  readonly kind: 'headers'
  readonly headers: HeaderList
}

/** A parser of JSON bodies, by which the framework's users would install one. Fastify has its own. */
export interface ParserPart {
  readonly kind: 'parser'
  /** Only for paths under it; default: all. */
  readonly path?: string
}

/** Middleware (Fastify: a hook) that reads the request's stream and keeps nothing. */
export interface DrainPart {
  readonly kind: 'drain'
}

/** What a handler may ask. */
export interface HandlerRequest {
  facts<F>(guard: Guard<F>): F
  principal(): Principal | undefined
}

/** What a handler answers, by the framework's own means. */
export interface HandlerAnswer {
  /** Default: 200. */
  readonly status?: number
  /** Added, where the framework has a way to add. */
  readonly headers?: HeaderList
  /** Text, or chunks that are streamed. */
  readonly body?: string | AsyncIterable<string>
}

/** An application that listens. */
export interface RunningApp {
  /** On 127.0.0.1. */
  readonly port: number
  routes(): readonly RouteInfo[]
  opaque(): readonly OpaqueHandler[]
  assertCovered(options?: CoverageOptions): void | Promise<void>
  /** Adds something now, while it listens: to the router that has the last routes, where it is a route. */
  add(part: Part): void | Promise<void>
  close(): Promise<void>
}

/** An adapter. */
export interface AdapterUnderTest {
  /** The framework's name, as the report shall show it. */
  readonly name: string
  /** Builds an application and listens. It does not call `assertCovered`. */
  start(app: AppDescription): Promise<RunningApp>
  /** Settings of the framework's router that change which paths match, by name. No spelling may get around a guard under any. */
  readonly routerSettings: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Whether body parsers of the application run for mounted endpoints. */
  readonly parsersReachEndpoints: boolean
  /** Whether a route's path may be a RegExp. */
  readonly regExpPaths: boolean
  /** Whether a guard that is middleware holds for what belongs to the same plugin, and not for what lies under a path. */
  readonly middlewareBelongsToRoutes: boolean
}

/** One row of the suite. */
export interface AdapterBehaviour {
  /** A sentence: what holds. */
  readonly title: string
  check(context: AdapterContext): Promise<void>
}

/** What a behaviour is checked on. */
export interface AdapterContext extends AdapterUnderTest {
  /** Every event since the test began. */
  readonly events: readonly SecurityEvent[]
  /** Events of one type. */
  eventsOf(type: string): readonly SecurityEvent[]
  /** Starts an application and sends it one request. */
  ask(app: AppDescription, request?: RawRequest): Promise<WireResponse>
  /** Stops what was started. */
  close(): Promise<void>
}

export function openAdapter(adapter: AdapterUnderTest): AdapterContext {
  const events: SecurityEvent[] = []
  const running: RunningApp[] = []
  const unsubscribe = subscribe((event) => events.push(event))
  const start = async (app: AppDescription): Promise<RunningApp> => {
    const started = await adapter.start(app)
    running.push(started)
    return started
  }
  return {
    ...adapter,
    start,
    events,
    eventsOf: (type) => events.filter((event) => event.type === type),
    ask: async (app, request = {}) => send((await start(app)).port, request),
    async close() {
      unsubscribe()
      await Promise.all(running.map((app) => app.close()))
    },
  }
}
