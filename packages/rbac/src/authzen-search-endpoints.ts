import { type EndpointRoute, json, type Reply, type RequestView, withDeadline } from '@portcullis/core'
import { type JsonObject, own } from './authzen-json.ts'
import { readAction, readEntity, readProperties, readType } from './authzen-model.ts'
import type { PageBinding, PageTokens } from './authzen-page.ts'
import { endpointOf, type Pdp } from './authzen-pdp.ts'
import { readBody } from './authzen-request.ts'
import type { AccessSearch, PageRequest, SearchPage } from './authzen-search.ts'
import { unavailable } from './decider-errors.ts'
import type { AskOptions } from './decider-port.ts'
import type { Action, Properties, Resource, Subject } from './decider-question.ts'

const START = ''

/** The search endpoints for what can be searched (AuthZEN §8). @param timeout milliseconds */
export function searchRoutes(pdp: Pdp, search: AccessSearch, tokens: PageTokens, timeout: number): readonly EndpointRoute[] {
  const route = <Query extends object, T>(
    kind: PageBinding['kind'],
    read: (body: JsonObject) => Query,
    about: (query: Query) => { readonly type: string; readonly id?: string },
    find: (query: Query, page: PageRequest, options: AskOptions) => Promise<SearchPage<T>>,
    write: (result: T, query: Query) => object,
  ): EndpointRoute =>
    endpointOf(pdp, `/access/v1/search/${kind}`, async (req: RequestView, caller): Promise<Reply> => {
      const body = await readBody(req, pdp.maxBytes)
      const query = read(body)
      await pdp.assertMayAsk(caller, [about(query)])
      const binding: PageBinding = { kind, caller, query }
      const sent = own(body, 'page')
      const { asked, ...page } = tokens.read(sent, binding)
      const found =
        page.limit === 0
          ? { results: [], next: page.after ?? START }
          : await withDeadline(
              timeout,
              () => find(query, page, { caller, signal: req.signal }),
              () => unavailable(`no results within ${timeout} ms`),
            )
      const results = found.results.slice(0, page.limit).map((result) => write(result, query))
      const total = 'total' in found ? found.total : undefined
      return json({
        // §8.2.2, §8.3: first, and always there: empty where nothing follows
        page: {
          next_token: found.next === undefined ? '' : tokens.write(found.next, asked, sent, binding),
          count: results.length,
          ...(total === undefined ? {} : { total }),
        },
        results,
      })
    })

  const { subjects, resources, actions } = search
  return [
    ...(subjects === undefined
      ? []
      : [
          route(
            'subject',
            (body) => ({
              subject: readType('subject', own(body, 'subject')),
              action: readAction(own(body, 'action')),
              resource: readEntity('resource', own(body, 'resource')),
              ...contextOf(body),
            }),
            ({ subject }) => ({ type: subject.type }),
            (query, page, asked) => subjects.call(search, query, page, asked),
            // §8.3: only entities of the type that was asked for
            (subject: Subject, query) => entity(subject, query.subject.type),
          ),
        ]),
    ...(resources === undefined
      ? []
      : [
          route(
            'resource',
            (body) => ({
              subject: readEntity('subject', own(body, 'subject')),
              action: readAction(own(body, 'action')),
              resource: readType('resource', own(body, 'resource')),
              ...contextOf(body),
            }),
            ({ subject }) => subject,
            (query, page, asked) => resources.call(search, query, page, asked),
            (resource: Resource, query) => entity(resource, query.resource.type),
          ),
        ]),
    ...(actions === undefined
      ? []
      : [
          route(
            'action',
            (body) => ({
              subject: readEntity('subject', own(body, 'subject')),
              resource: readEntity('resource', own(body, 'resource')),
              ...contextOf(body),
            }),
            ({ subject }) => subject,
            (query, page, asked) => actions.call(search, query, page, asked),
            ({ name, properties }: Action) => ({ name, ...(properties === undefined ? {} : { properties }) }),
          ),
        ]),
  ]
}

function entity({ id, properties }: Subject, type: string): object {
  return { type, id, ...(properties === undefined ? {} : { properties }) }
}

function contextOf(body: JsonObject): { readonly context?: Properties } {
  const context = readProperties('context', own(body, 'context'))
  return context === undefined ? {} : { context }
}
