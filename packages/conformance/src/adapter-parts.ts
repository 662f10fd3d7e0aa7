import {
  type EndpointRoute,
  type Guard,
  type HeaderList,
  json,
  type Outcome,
  open as openTo,
  PortcullisError,
  type Principal,
  problem,
  type RoutePolicy,
} from '@portcullis/core'
import type { HandlerAnswer, MiddlewarePart, RoutePart } from './adapter-subject.ts'

// Words from which the suite's applications are put together.

/** The policy of routes in which something else is looked at. */
export const anyone: RoutePolicy = openTo('conformance')

/** `GET /` behind guards; its handler says `handled`, unless it is told otherwise. */
export function route(over: Partial<RoutePart> = {}): RoutePart {
  return { kind: 'route', method: 'GET', path: '/', policy: anyone, handler: () => ({ body: 'handled' }), ...over }
}

/** A route that declares nothing. */
export function bare(over: Partial<RoutePart> = {}): RoutePart {
  return route({ ...over, policy: undefined })
}

/** Middleware `serveFiles` that answers everything with `served`, unless it is told otherwise. */
export function middleware(over: Partial<MiddlewarePart> = {}): MiddlewarePart {
  return { kind: 'middleware', name: 'serveFiles', handler: () => ({ body: 'served' }), ...over }
}

/** An endpoint at `POST /endpoint` unless it is told otherwise. */
export function endpoint(run: EndpointRoute['endpoint'], over: Partial<EndpointRoute> = {}): EndpointRoute {
  return { method: 'POST', path: '/endpoint', policy: anyone, endpoint: run, ...over }
}

/** A guard that lets everybody through and says something in headers. */
export function says(...headers: HeaderList): Guard {
  return () => ({ type: 'continue', headers })
}

/** A guard that refuses with a status. */
export function refuses(status: number, headers: HeaderList = []): Guard {
  return () => ({ type: 'reply', reply: problem({ status }, headers), cause: { code: 'test.refused', message: 'for the log' } })
}

/** A guard that names the caller. */
export function knows(principal: Partial<Principal> = {}): Guard {
  return () => ({ type: 'continue', principal: { subject: 'ada', kind: 'user', roles: [], ...principal } })
}

/** A guard that answers a turn later. */
export function later<F>(guard: Guard<F>): Guard<F> {
  return async (req) => {
    await new Promise((resolve) => setImmediate(resolve))
    return guard(req)
  }
}

/** A guard that keeps how its request ended. */
export interface Watcher {
  readonly guard: Guard
  readonly outcomes: readonly Outcome[]
  /** Resolves at the first outcome. */
  readonly settled: Promise<Outcome>
}

export function watcher(): Watcher {
  const outcomes: Outcome[] = []
  const settled = gate<Outcome>()
  const settle = (outcome: Outcome): void => {
    outcomes.push(outcome)
    settled.open(outcome)
  }
  return { guard: () => ({ type: 'continue', settle }), outcomes, settled: settled.passed }
}

/** A promise that a test resolves. */
export interface Gate<T> {
  open(value: T): void
  readonly passed: Promise<T>
}

export function gate<T = void>(): Gate<T> {
  let open: (value: T) => void = () => {}
  const passed = new Promise<T>((resolve) => {
    open = resolve
  })
  return { open, passed }
}

/** A handler that counts how often it ran. */
export function counted(answer: HandlerAnswer = { body: 'handled' }): { readonly runs: number; handler(): HandlerAnswer } {
  let runs = 0
  return {
    get runs() {
      return runs
    },
    handler() {
      runs++
      return answer
    },
  }
}

/** What a guard sees of the client, as an answer. */
export const showClient: Guard = (req) => ({ type: 'reply', reply: json(req.client) })

/** The code of the error that something fails with; `none` when it does not fail. */
export async function codeOf(run: () => unknown): Promise<string> {
  return (await failureOf(run))?.code ?? 'none'
}

/** The coded error that something fails with. */
export async function failureOf(run: () => unknown): Promise<PortcullisError | undefined> {
  try {
    await run()
    return undefined
  } catch (error) {
    if (error instanceof PortcullisError) return error
    throw error
  }
}
