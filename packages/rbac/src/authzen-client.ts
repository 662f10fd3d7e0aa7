import type { Reason } from '@portcullis/core'
import { type ConnectionOptions, PdpConnection } from './authzen-connection.ts'
import { isObject, type JsonObject, own } from './authzen-json.ts'
import { type AuthzenMetadata, metadataOf, readMetadata } from './authzen-metadata.ts'
import type { EvaluationsSemantic } from './authzen-model.ts'
import { pdpUrl } from './authzen-url.ts'
import { createDecider, failure, stops } from './decider-create.ts'
import { checkWhole, malformed, optionsInvalid } from './decider-errors.ts'
import type { AccessDecider, AskAllOptions, AskOptions, DeciderDecision } from './decider-port.ts'
import type { Properties, Question } from './decider-question.ts'

/** Options of {@link createAuthzenDecider} and `createAuthzenSearch`. */
export interface AuthzenClientOptions extends ConnectionOptions {
  /** The policy decision point's identifier: `https:`, or this machine. */
  readonly url: string
  /** What `discoverAuthzen` found out. Default: every endpoint at its default path (AuthZEN §10.1). */
  readonly metadata?: AuthzenMetadata
}

/** Options of {@link createAuthzenDecider}. */
export interface AuthzenDeciderOptions extends AuthzenClientOptions {
  /** The most questions in one request; more go in several. Default: 50. */
  readonly maxEvaluations?: number
  /**
   * Looks at what an allowing answer says besides: an obligation that nobody here fulfils. `false` makes it a denial, as §5.5 lets an
   * enforcement point do. Default: everything is accepted.
   */
  readonly accepts?: (context: Properties, question: Question) => boolean
}

/** Where a client asks, and how. */
export interface AuthzenClient {
  readonly connection: PdpConnection
  readonly metadata: AuthzenMetadata
}

/** @throws DeciderError `rbac.decider_options_invalid`, `rbac.decider_answer_malformed` when the metadata is another's */
export function clientOf(options: AuthzenClientOptions): AuthzenClient {
  const url = pdpUrl('url', options.url)
  const metadata = options.metadata === undefined ? metadataOf(url) : readMetadata(options.metadata, url)
  return { connection: new PdpConnection(options), metadata }
}

/**
 * Asks an AuthZEN policy decision point (Authorization API 1.0). Only an answer that is well-formed in every part allows; anything
 * else, and no answer, is a refusal with `failed`. Each request has a deadline, and a circuit breaker stands before all of them.
 * @throws DeciderError `rbac.decider_options_invalid`
 * @example createAuthzenDecider({ url: 'https://pdp.example', headers: async () => ({ authorization: `Bearer ${await token()}` }) })
 */
export function createAuthzenDecider(options: AuthzenDeciderOptions): AccessDecider {
  const { connection, metadata } = clientOf(options)
  const { accepts = () => true } = options
  const most = checkWhole('maxEvaluations', options.maxEvaluations ?? 50, 1, 10_000)
  if (typeof accepts !== 'function') throw optionsInvalid('accepts is not a function')
  const { name, timeout } = connection

  const single = createDecider({
    name,
    // The connection's own deadline comes first, so that the breaker hears of it.
    timeout: Math.min(timeout + 50, 60_000),
    decide: async (question, { signal }) =>
      judge(await connection.post(metadata.access_evaluation_endpoint, question, signal), question, name, accepts),
  })
  const endpoint = metadata.access_evaluations_endpoint
  if (endpoint === undefined) return single

  /** One request. @returns as many answers as it has, which are as many as they must be */
  const some = async (
    questions: readonly Question[],
    stopOn: AskAllOptions['stopOn'],
    { signal }: AskOptions,
  ): Promise<readonly DeciderDecision[]> => {
    try {
      const semantic: EvaluationsSemantic = SEMANTICS[stopOn ?? 'none']
      const body = { evaluations: questions, options: { evaluations_semantic: semantic } }
      const answers = own(await connection.post(endpoint, body, signal), 'evaluations')
      if (!Array.isArray(answers)) throw malformed('the answer has no evaluations')
      if (answers.length > questions.length) throw malformed('there are more answers than questions')
      const decisions = questions.slice(0, answers.length).map((question, at) => told(answers[at], question, name, accepts))
      checkEnd(answers, questions.length, stopOn)
      return decisions
    } catch (error) {
      return questions.map(() => failure(name, error))
    }
  }

  return Object.freeze({
    name,
    decide: single.decide,
    async decideAll(
      questions: readonly Question[],
      { stopOn, ...asked }: AskAllOptions = {},
    ): Promise<readonly DeciderDecision[]> {
      const all: DeciderDecision[] = []
      for (let from = 0; from < questions.length; from += most) {
        for (const decision of await some(questions.slice(from, from + most), stopOn, asked)) {
          all.push(decision)
          // Ours may differ from theirs: what we do not accept is a denial.
          if (stops(decision, stopOn)) return all
        }
      }
      return all
    },
  })
}

const SEMANTICS: Readonly<Record<'none' | 'denial' | 'permit', EvaluationsSemantic>> = {
  none: 'execute_all',
  denial: 'deny_on_first_deny',
  permit: 'permit_on_first_permit',
}

/** §7.1.2.1: fewer answers than questions only after one that ends them. */
function checkEnd(answers: readonly unknown[], asked: number, stopOn: AskAllOptions['stopOn']): void {
  if (answers.length === asked) return
  const last = answers.at(-1)
  const ends = stopOn !== undefined && isObject(last) && own(last, 'decision') === (stopOn === 'permit')
  if (!ends) throw malformed('there are fewer answers than questions')
}

function told(
  answer: unknown,
  question: Question,
  name: string,
  accepts: NonNullable<AuthzenDeciderOptions['accepts']>,
): DeciderDecision {
  try {
    if (!isObject(answer)) throw malformed('an answer is not an object')
    return Object.freeze(judge(answer, question, name, accepts))
  } catch (error) {
    return failure(name, error)
  }
}

/** A Decision (§5.5). @throws DeciderError `rbac.decider_answer_malformed` */
function judge(
  answer: JsonObject,
  question: Question,
  name: string,
  accepts: NonNullable<AuthzenDeciderOptions['accepts']>,
): DeciderDecision {
  const decision = own(answer, 'decision')
  if (typeof decision !== 'boolean') throw malformed('decision is neither true nor false')
  const context = own(answer, 'context') ?? undefined
  if (context !== undefined && !isObject(context)) throw malformed('context is not an object')
  const error = context === undefined ? undefined : own(context, 'error')
  if (decision && isObject(error)) throw malformed('the answer allows, and tells of an error')
  const status = isObject(error) ? own(error, 'status') : undefined
  const failed = typeof status === 'number' && status >= 500
  const refused = decision && context !== undefined && accepts(context, question) !== true
  const allowed = decision && !refused
  const reason = refused
    ? { code: 'rbac.decider_context_refused', message: `${name} allowed it with a context that is not accepted` }
    : reasonOf(name, allowed, failed, context)
  return { allowed, failed, reason, ...(context === undefined ? {} : { context }) }
}

/** What was told is quoted, and cut: it stands in a log, and somebody else has written it. */
function reasonOf(name: string, allowed: boolean, failed: boolean, context: Properties | undefined): Reason {
  const why = context === undefined ? undefined : own(context, 'reason')
  const said = typeof why === 'string' ? `: ${JSON.stringify(why.slice(0, 200))}` : ''
  if (failed) return { code: 'rbac.decider_unavailable', message: `${name} has not decided${said}` }
  return allowed
    ? { code: 'rbac.decider_allowed', message: `${name} allowed it${said}` }
    : { code: 'rbac.decider_denied', message: `${name} denied it${said}` }
}
