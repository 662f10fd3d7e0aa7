import { type AuthzenClientOptions, clientOf } from './authzen-client.ts'
import type { PdpConnection } from './authzen-connection.ts'
import { isObject, type JsonObject, own } from './authzen-json.ts'
import { readAction, readEntity } from './authzen-model.ts'
import type { AccessSearch, ActionQuery, PageRequest, ResourceQuery, SearchPage, SubjectQuery } from './authzen-search.ts'
import { malformed } from './decider-errors.ts'
import type { AskOptions } from './decider-port.ts'
import type { Action, Resource, Subject } from './decider-question.ts'

/**
 * Searches at an AuthZEN policy decision point (Authorization API 1.0 §8). It has the searches that `metadata` names; without
 * `metadata`, all of them. What is found is for lists: decide about each thing again before it is acted on.
 *
 * Its functions throw DeciderError `rbac.decider_unavailable`, `rbac.decider_answer_malformed`: there is no empty answer that could
 * be taken for "nothing".
 * @throws DeciderError `rbac.decider_options_invalid`
 */
export function createAuthzenSearch(options: AuthzenClientOptions): AccessSearch {
  const { connection, metadata } = clientOf(options)
  const { search_subject_endpoint: subjects, search_resource_endpoint: resources, search_action_endpoint: actions } = metadata
  return {
    ...(subjects !== undefined && {
      subjects: (query: SubjectQuery, page: PageRequest, asked: AskOptions = {}) =>
        search(connection, subjects, query, page, asked, (found): Subject => typed('subject', found, query.subject.type)),
    }),
    ...(resources !== undefined && {
      resources: (query: ResourceQuery, page: PageRequest, asked: AskOptions = {}) =>
        search(connection, resources, query, page, asked, (found): Resource => typed('resource', found, query.resource.type)),
    }),
    ...(actions !== undefined && {
      actions: (query: ActionQuery, page: PageRequest, asked: AskOptions = {}) =>
        search<Action>(connection, actions, query, page, asked, readAction),
    }),
  }
}

async function search<T>(
  connection: PdpConnection,
  endpoint: string,
  query: object,
  { after, limit }: PageRequest,
  { signal }: AskOptions,
  read: (found: unknown) => T,
): Promise<SearchPage<T>> {
  const page = { limit, ...(after === undefined ? {} : { token: after }) }
  const answer = await connection.post(endpoint, { ...query, page }, signal)
  const results = own(answer, 'results')
  if (!Array.isArray(results)) throw malformed('the answer has no results')
  return { results: results.map((found: unknown) => reading(() => read(found))), ...pageOf(answer) }
}

function pageOf(answer: JsonObject): Omit<SearchPage<never>, 'results'> {
  const page = own(answer, 'page') ?? {}
  if (!isObject(page)) throw malformed('page is not an object')
  const next = own(page, 'next_token') ?? ''
  const total = own(page, 'total') ?? undefined
  if (typeof next !== 'string' || (total !== undefined && typeof total !== 'number')) throw malformed('page is not well-formed')
  return { ...(next === '' ? {} : { next }), ...(total === undefined ? {} : { total }) }
}

/** §8.3: nothing but entities of the type that was asked for. */
function typed(name: 'subject' | 'resource', found: unknown, type: string): Subject & Resource {
  const entity = readEntity(name, found)
  if (entity.type !== type) throw malformed(`a result is of another type of ${name}`)
  return entity
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch {
    throw malformed('a result is not well-formed')
  }
}
