import {
  authenticated,
  type Clock,
  type EndpointRoute,
  type Guard,
  json,
  open,
  type Principal,
  problem,
  type Reply,
  type RequestView,
  type RoutePolicy,
  type Sealer,
  systemClock,
} from '@portcullis/core'
import { type AuthzenMetadata, METADATA_PATH, metadataOf } from './authzen-metadata.ts'
import { AuthzenRequestError, type EvaluationsSemantic, readEvaluations, readQuestion } from './authzen-model.ts'
import { PageTokens } from './authzen-page.ts'
import { type AskedAbout, endpointOf, type Pdp } from './authzen-pdp.ts'
import { readBody, requestId } from './authzen-request.ts'
import type { AccessSearch } from './authzen-search.ts'
import { searchRoutes } from './authzen-search-endpoints.ts'
import { pdpUrl } from './authzen-url.ts'
import { checkWhole, optionsInvalid } from './decider-errors.ts'
import { publishDecision } from './decider-events.ts'
import type { AccessDecider, AskAllOptions, DeciderDecision } from './decider-port.ts'
import { isSubject, type Question } from './decider-question.ts'

/** Options of {@link authzenEndpoints}. */
export interface AuthzenEndpointsOptions {
  /** The policy decision point's identifier: an `https` URL without query and fragment. Endpoints are below its path. */
  readonly url: string
  readonly decider: AccessDecider
  /** What may be searched, and by what. Default: nothing is. */
  readonly search?: AccessSearch
  /** Seals page tokens; required with `search`. Every process needs the same keys. */
  readonly sealer?: Sealer
  /** Authenticate callers: `bearer` of `@portcullis/tokens`. At least one. */
  readonly guards: readonly Guard[]
  /** Who may ask at all, such as `access.permit('pdp:ask')`. Default: every caller who is known. */
  readonly policy?: RoutePolicy
  /**
   * Whom a caller may ask about. Default: himself alone, and nobody may search for subjects. Let enforcement points ask about others
   * here, by something that only they have.
   */
  readonly mayAsk?: (caller: Principal, about: AskedAbout) => boolean | Promise<boolean>
  /** What is told of a decision besides: nothing, or the reason's code as `context.reason`. Default: `none`. */
  readonly reasons?: 'none' | 'code'
  /** The largest body, in bytes. Default: 65536. */
  readonly maxBytes?: number
  /** The most evaluations in one request. Default: 100. */
  readonly maxEvaluations?: number
  /** The most results on a page of a search. Default: 100. */
  readonly maxResults?: number
  /** Milliseconds for a search. Default: 2000. */
  readonly searchTimeout?: number
  readonly clock?: Clock
}

/** Serves a decider as a policy decision point. */
export interface AuthzenEndpoints {
  /** Every route: give them to an adapter's `mount`, before any body parser. */
  readonly endpoints: readonly EndpointRoute[]
  readonly metadata: AuthzenMetadata
}

/**
 * An AuthZEN Authorization API 1.0 policy decision point: evaluation, evaluations, searches and metadata.
 * @throws DeciderError `rbac.decider_options_invalid`
 * @example mount(app, authzenEndpoints({ url: 'https://pdp.example', decider, guards: [bearer], policy: permit('pdp:ask'), mayAsk }).endpoints)
 */
export function authzenEndpoints(options: AuthzenEndpointsOptions): AuthzenEndpoints {
  const url = pdpUrl('url', options.url)
  const { decider, guards, policy = authenticated(), mayAsk = himselfAlone, reasons = 'none', clock = systemClock } = options
  const { search, sealer } = options
  // RFC 9110 has no word for it, so a mistake here would be silent: without a guard everybody may try out the rules (§11.2).
  if (!Array.isArray(guards) || guards.length === 0) throw optionsInvalid('guards names nobody who authenticates callers')
  if (policy.kind === 'open') throw optionsInvalid('the policy lets everybody ask')
  const maxResults = checkWhole('maxResults', options.maxResults ?? 100, 1, 10_000)
  const maxEvaluations = checkWhole('maxEvaluations', options.maxEvaluations ?? 100, 1, 10_000)
  const timeout = checkWhole('searchTimeout', options.searchTimeout ?? 2000, 1, 60_000)
  const pdp: Pdp = {
    base: new URL(url).pathname.replace(/\/$/, ''),
    decider,
    guards: [requestId, ...guards],
    policy,
    maxBytes: checkWhole('maxBytes', options.maxBytes ?? 65_536, 1, 16_777_216),
    clock,
    async assertMayAsk(caller, about) {
      const subjects = new Map(about.map((one) => [JSON.stringify([one.type, one.id]), one]))
      for (const { type, id } of subjects.values()) {
        if ((await mayAsk(caller, id === undefined ? { type } : { type, id })) === true) continue
        throw new AuthzenRequestError('the caller may not ask about this subject', 403)
      }
    },
  }
  if (search !== undefined && sealer === undefined) throw optionsInvalid('search takes a sealer for its page tokens')
  const searches =
    search === undefined || sealer === undefined
      ? []
      : searchRoutes(pdp, search, new PageTokens(sealer, clock, maxResults, maxResults), timeout)
  const routes = [...evaluationRoutes(pdp, maxEvaluations, reasons), ...searches]
  const metadata = metadataOf(
    url,
    routes.map(({ path }) => path.slice(pdp.base.length)),
  )
  return { endpoints: [...routes, metadataRoute(pdp.base, metadata)], metadata }
}

function evaluationRoutes(pdp: Pdp, most: number, reasons: 'none' | 'code'): readonly EndpointRoute[] {
  const one = async (req: RequestView, caller: Principal, question: Question): Promise<Reply> => {
    await pdp.assertMayAsk(caller, [question.subject])
    const decision = await pdp.decider.decide(question, { caller, signal: req.signal })
    publishDecision(pdp.decider.name, question, decision, caller, { request: req, clock: pdp.clock })
    // A failure is no decision (§10.1.2); `false` would be one.
    return decision.failed ? problem({ status: 503 }) : json(written(decision, reasons))
  }
  const several = async (
    req: RequestView,
    caller: Principal,
    questions: readonly Question[],
    semantic: EvaluationsSemantic,
  ): Promise<Reply> => {
    await pdp.assertMayAsk(
      caller,
      questions.map(({ subject }) => subject),
    )
    const asked: AskAllOptions = { caller, signal: req.signal, ...STOPS[semantic] }
    const decisions = await pdp.decider.decideAll(questions, asked)
    for (const [at, question] of questions.entries()) {
      const decision = decisions[at]
      if (decision !== undefined)
        publishDecision(pdp.decider.name, question, decision, caller, { request: req, clock: pdp.clock })
    }
    return json({ evaluations: decisions.map((decision) => written(decision, reasons)) })
  }
  return [
    endpointOf(pdp, '/access/v1/evaluation', async (req, caller) => {
      return one(req, caller, readQuestion(await readBody(req, pdp.maxBytes)))
    }),
    endpointOf(pdp, '/access/v1/evaluations', async (req, caller) => {
      const request = readEvaluations(await readBody(req, pdp.maxBytes), most)
      return 'one' in request ? one(req, caller, request.one) : several(req, caller, request.questions, request.semantic)
    }),
  ]
}

const STOPS: Readonly<Record<EvaluationsSemantic, AskAllOptions>> = {
  execute_all: {},
  deny_on_first_deny: { stopOn: 'denial' },
  permit_on_first_permit: { stopOn: 'permit' },
}

function metadataRoute(base: string, metadata: AuthzenMetadata): EndpointRoute {
  return {
    method: 'GET',
    // §9.2: the well-known part comes before the identifier's path
    path: `${METADATA_PATH}${base}`,
    policy: open('metadata of the policy decision point (AuthZEN §9)'),
    guards: [requestId],
    endpoint: async () => json(metadata, { headers: [['Cache-Control', 'public, max-age=3600']] }),
  }
}

function written({ allowed, failed, reason }: DeciderDecision, reasons: 'none' | 'code'): object {
  if (failed) return { decision: false, context: { error: { status: 503, message: 'Not decided' } } }
  const decision = allowed === true
  return reasons === 'code' ? { decision, context: { reason: reason.code } } : { decision }
}

function himselfAlone(caller: Principal, about: AskedAbout): boolean {
  return isSubject(about, caller)
}
