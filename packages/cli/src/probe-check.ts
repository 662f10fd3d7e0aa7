import type { MatrixRow } from '@portcullis/rbac'
import type { PathTemplate } from './path-template.ts'
import type { ProbeActor } from './probe-actor.ts'
import { isSuccess, type ProbeClient, type ProbeRequest, type ProbeResponse } from './probe-client.ts'
import type { Control } from './probe-control.ts'
import type { ObjectFinder } from './probe-objects.ts'

/** What a check is about. */
export type ProbeKind =
  /** No credential, or one that is none. */
  | 'no-credential'
  /** Somebody whose roles the matrix refuses. */
  | 'role'
  /** Something of another tenant. */
  | 'other-tenant'
  /** Something that the listing of whoever asks does not have. */
  | 'other-owner'
  /** HEAD, where GET is refused. */
  | 'head'
  /** A method that no route declares. */
  | 'method'
  /** Another spelling of a path. */
  | 'spelling'
  /** A header by which proxies and frameworks tell their own requests. */
  | 'internal-header'
  /** A tenant, user or id in query, header or body. */
  | 'forged-id'
  /** Two tenants are listed the same. */
  | 'listing'

/** What came of a check. */
export type ProbeOutcome =
  | { readonly type: 'refused' }
  | {
      readonly type: 'found'
      readonly method: string
      readonly target: string
      readonly status: number
      readonly message: string
    }
  | { readonly type: 'unjudged'; readonly why: string }

/** One thing that must not succeed. */
export interface ProbeCheck {
  readonly kind: ProbeKind
  /** Method and pattern, as the matrix has them. */
  readonly route: string
  /** An actor's name; `nobody`. */
  readonly as: string
  /** What is tried, after the name of who tries it: `asks for …`. */
  readonly about: string
  /** Whether it sends something that changes what other checks look at. */
  readonly isWriting: boolean
  run(): Promise<ProbeOutcome>
}

/** A route, and what of its pattern can be filled. */
export interface ProbeRoute {
  readonly row: MatrixRow
  readonly name: string
  readonly template: PathTemplate
}

/** What all checks stand on. */
export interface ProbeContext {
  readonly client: ProbeClient
  readonly routes: readonly ProbeRoute[]
  readonly rows: readonly MatrixRow[]
  readonly actors: readonly ProbeActor[]
  readonly finder: ObjectFinder
  readonly control: Control
  readonly idField: string
  /** How many things of one actor are asked for on one route. */
  readonly mostIds: number
  readonly credentialTemplate: string
  /** Patterns of listings that are the same for every tenant. */
  readonly shared: ReadonlySet<string>
  readonly write: boolean
  /** Bodies for writing, by route. */
  readonly bodies: Readonly<Record<string, unknown>>
}

/** What is tried, and by whom. */
export type Trial = Pick<ProbeCheck, 'kind' | 'route' | 'about'> & { readonly request: ProbeRequest }

/** A check that a request is not answered with success. */
export function refusal({ client, control }: ProbeContext, { request, ...trial }: Trial): ProbeCheck {
  return {
    ...trial,
    as: request.as?.name ?? 'nobody',
    isWriting: isWriting(request.method),
    run: async () => {
      const response = await client.send(request)
      if (isSuccess(response) && !control.isSame(request.method, response)) return found(request, response.status, trial.about)
      return judged(response, trial.kind)
    },
  }
}

export function found({ method, target, as }: ProbeRequest, status: number, about: string): ProbeOutcome {
  return { type: 'found', method, target, status, message: `${actorName(as)} ${about}, and was answered with ${status}` }
}

/** An answer that is no success. */
export function judged(response: ProbeResponse, kind: ProbeKind): ProbeOutcome {
  if (response.type === 'answer') return { type: 'refused' }
  // A server may hang up on a path that is none.
  if (response.type === 'closed' && (kind === 'spelling' || kind === 'method')) return { type: 'refused' }
  return { type: 'unjudged', why: reasons[response.type] }
}

const reasons = {
  closed: 'the connection was closed without an answer',
  late: 'no answer in time',
  limited: 'answered with 429 or 503 each time',
} as const

export function actorName(actor: ProbeActor | undefined): string {
  if (actor === undefined) return 'nobody'
  return actor.tenant === undefined ? actor.name : `${actor.name} of ${actor.tenant}`
}

/** Whether the matrix lets an actor use a route; `undefined` where his roles are not known. */
export function may(row: MatrixRow, actor: ProbeActor): boolean | undefined {
  if (row.clients === 'open' || row.clients === 'authenticated' || row.clients === 'undeclared') return true
  if (actor.roles.length === 0) return undefined
  return actor.roles.some((role) => Object.hasOwn(row.roles, role) && row.roles[role] === 'allow')
}

export function isOpen(row: MatrixRow): boolean {
  return row.clients === 'open'
}

const WRITING = ['POST', 'PUT', 'PATCH', 'DELETE'] as const

/** The methods that a row stands for, and that may be sent. */
export function methodsOf(
  { rows, write }: Pick<ProbeContext, 'rows' | 'write'>,
  { method, pattern }: MatrixRow,
): readonly string[] {
  const hasHead = rows.some((row) => row.pattern === pattern && row.method === 'HEAD')
  if (method === 'GET') return hasHead ? ['GET'] : ['GET', 'HEAD']
  if (method === 'HEAD') return ['HEAD']
  if (method === '*') return ['GET', 'HEAD', ...(write ? WRITING : [])]
  return write ? [method] : []
}

export function isWriting(method: string): boolean {
  return method !== 'GET' && method !== 'HEAD'
}

/** The body that a request takes along. */
export function bodyOf({ bodies }: ProbeContext, { name }: ProbeRoute, method: string, more: object = {}): string | undefined {
  if (!isWriting(method) && Object.keys(more).length === 0) return undefined
  const given = Object.hasOwn(bodies, name) ? bodies[name] : undefined
  return JSON.stringify({ ...(typeof given === 'object' ? given : {}), ...more })
}
