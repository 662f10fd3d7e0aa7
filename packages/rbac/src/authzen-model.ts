import { PortcullisError } from '@portcullis/core'
import { isObject, type JsonObject, own } from './authzen-json.ts'
import type { Action, Properties, Question, Resource, Subject } from './decider-question.ts'

/** How several evaluations hang together (AuthZEN §7.1.2.1). */
export type EvaluationsSemantic = 'execute_all' | 'deny_on_first_deny' | 'permit_on_first_permit'

/** A request that says something wrong: answered with its status; the message is for the client, and quotes nothing. */
export class AuthzenRequestError extends PortcullisError<'rbac.authzen_request_invalid'> {
  constructor(message: string, status: number = 400) {
    super('rbac.authzen_request_invalid', message, { status })
  }
}

/** What is asked at the evaluations endpoint: `one` when there is no `evaluations`, or an empty one (§7.1). */
export type EvaluationsRequest =
  | { readonly one: Question }
  | { readonly questions: readonly Question[]; readonly semantic: EvaluationsSemantic }

const ENTITIES = ['subject', 'action', 'resource', 'context'] as const

/** §6.1. @throws AuthzenRequestError; members that are not known are passed over (§10.1.1) */
export function readQuestion(body: JsonObject): Question {
  const context = readProperties('context', own(body, 'context'))
  return {
    subject: readEntity('subject', own(body, 'subject')),
    action: readAction(own(body, 'action')),
    resource: readEntity('resource', own(body, 'resource')),
    ...(context === undefined ? {} : { context }),
  }
}

/** §7.1. @param most how many evaluations there may be @throws AuthzenRequestError */
export function readEvaluations(body: JsonObject, most: number): EvaluationsRequest {
  const evaluations = own(body, 'evaluations')
  if (evaluations !== undefined && !Array.isArray(evaluations)) throw new AuthzenRequestError('evaluations is not an array')
  const semantic = readSemantic(own(body, 'options'))
  if (evaluations === undefined || evaluations.length === 0) return { one: readQuestion(body) }
  if (evaluations.length > most) throw new AuthzenRequestError(`evaluations holds more than ${most}`)
  const questions = evaluations.map((evaluation: unknown) => {
    if (!isObject(evaluation)) throw new AuthzenRequestError('an evaluation is not an object')
    // §7.1.1: a member of an evaluation takes the place of the whole default.
    const whole: Record<string, unknown> = {}
    for (const entity of ENTITIES) whole[entity] = own(evaluation, entity) ?? own(body, entity)
    return readQuestion(whole)
  })
  return { questions, semantic }
}

/** A subject or resource with `type` and `id`. */
export function readEntity(name: 'subject' | 'resource', value: unknown): Subject & Resource {
  return { ...readType(name, value), id: readText(`${name}.id`, isObject(value) ? own(value, 'id') : undefined) }
}

/** A subject or resource that is searched for: an `id` is passed over (§8.4.1, §8.5.1). */
export function readType(
  name: 'subject' | 'resource',
  value: unknown,
): { readonly type: string; readonly properties?: Properties } {
  if (!isObject(value)) throw new AuthzenRequestError(`${name} is missing, or not an object`)
  return { type: readText(`${name}.type`, own(value, 'type')), ...withProperties(name, value) }
}

export function readAction(value: unknown): Action {
  if (!isObject(value)) throw new AuthzenRequestError('action is missing, or not an object')
  return { name: readText('action.name', own(value, 'name')), ...withProperties('action', value) }
}

/** `null` is as good as absent (§11.5). */
export function readProperties(name: string, value: unknown): Properties | undefined {
  if (value === undefined || value === null) return undefined
  if (!isObject(value)) throw new AuthzenRequestError(`${name} is not an object`)
  return value
}

function withProperties(name: string, value: JsonObject): { readonly properties?: Properties } {
  const properties = readProperties(`${name}.properties`, own(value, 'properties'))
  return properties === undefined ? {} : { properties }
}

function readText(name: string, value: unknown): string {
  // RFC 7493 §2.1: half a surrogate pair is no text; stores and logs would each make another thing of it.
  if (typeof value !== 'string' || value === '' || /\p{Cs}/u.test(value)) {
    throw new AuthzenRequestError(`${name} is missing, or not a text`)
  }
  return value
}

function readSemantic(options: unknown): EvaluationsSemantic {
  const semantic = own(readProperties('options', options) ?? {}, 'evaluations_semantic') ?? 'execute_all'
  if (semantic === 'execute_all' || semantic === 'deny_on_first_deny' || semantic === 'permit_on_first_permit') return semantic
  throw new AuthzenRequestError('options.evaluations_semantic is none that there is')
}
