import type { AccessDecider, AskOptions } from './decider-port.ts'
import type { Action, Properties, Question, Resource, Subject } from './decider-question.ts'

/** An entity that is searched for. */
export interface Sought {
  readonly type: string
  readonly properties?: Properties
}

/** "Who may do this to that?" (AuthZEN §8.4) */
export interface SubjectQuery {
  readonly subject: Sought
  readonly action: Action
  readonly resource: Resource
  readonly context?: Properties
}

/** "To what may this one do that?" (§8.5) */
export interface ResourceQuery {
  readonly subject: Subject
  readonly action: Action
  readonly resource: Sought
  readonly context?: Properties
}

/** "What may this one do to that?" (§8.6) */
export interface ActionQuery {
  readonly subject: Subject
  readonly resource: Resource
  readonly context?: Properties
}

/** Which part of the results. */
export interface PageRequest {
  /** `next` of the page before. */
  readonly after?: string
  /** The most results. Fewer are no sign that there are no more. */
  readonly limit: number
}

/** A part of the results. */
export interface SearchPage<T> {
  readonly results: readonly T[]
  /** Where the next page begins; absent after the last. */
  readonly next?: string
  /** Of all pages, where it is known. */
  readonly total?: number
}

/** Finds what is allowed. What can't be searched for is left out. It throws when it can't answer. */
export interface AccessSearch {
  subjects?(query: SubjectQuery, page: PageRequest, options: AskOptions): Promise<SearchPage<Subject>>
  resources?(query: ResourceQuery, page: PageRequest, options: AskOptions): Promise<SearchPage<Resource>>
  actions?(query: ActionQuery, page: PageRequest, options: AskOptions): Promise<SearchPage<Action>>
}

/** Lists what there is, for {@link searchBy}. Each page has at most `limit`; `next` is any text that finds the place again. */
export interface SearchCandidates {
  subjects?(query: SubjectQuery, page: PageRequest): SearchPage<Subject> | Promise<SearchPage<Subject>>
  resources?(query: ResourceQuery, page: PageRequest): SearchPage<Resource> | Promise<SearchPage<Resource>>
  /** All actions of a type of resource: few enough for one page. */
  actions?(type: string): readonly string[]
}

/** How many pages of candidates one request looks through. */
const MOST_PAGES = 8
const MOST_ACTIONS = 1000

/**
 * Searches by asking a decider about every candidate: what it finds, the decider allows. Where there are many more candidates than
 * results, write an {@link AccessSearch} that asks the database.
 * @throws (from its functions) whatever the candidates' functions throw
 * @example searchBy(decider, { actions: (type) => actionsOf(access, type), resources: (query, page) => invoices.page(page) })
 */
export function searchBy(decider: AccessDecider, candidates: SearchCandidates): AccessSearch {
  const { subjects, resources, actions } = candidates

  const allowed = async <T>(
    of: readonly T[],
    question: (candidate: T) => Question,
    options: AskOptions,
  ): Promise<readonly T[]> => {
    const decisions = await decider.decideAll(of.map(question), options)
    return of.filter((_, at) => decisions[at]?.allowed === true)
  }

  const through = async <T>(
    list: (page: PageRequest) => SearchPage<T> | Promise<SearchPage<T>>,
    question: (candidate: T) => Question,
    { after, limit }: PageRequest,
    options: AskOptions,
  ): Promise<SearchPage<T>> => {
    const results: T[] = []
    let next = after
    for (let pages = 0; pages < MOST_PAGES; pages++) {
      const page = await list({ limit: limit - results.length, ...(next === undefined ? {} : { after: next }) })
      results.push(...(await allowed(page.results.slice(0, limit - results.length), question, options)))
      next = page.next
      if (next === undefined || results.length >= limit) break
    }
    return { results, ...(next === undefined ? {} : { next }) }
  }

  return {
    ...(subjects && {
      subjects: (query: SubjectQuery, page: PageRequest, options: AskOptions) =>
        through(
          (at) => subjects(query, at),
          (subject) => ({ ...query, subject }),
          page,
          options,
        ),
    }),
    ...(resources && {
      resources: (query: ResourceQuery, page: PageRequest, options: AskOptions) =>
        through(
          (at) => resources(query, at),
          (resource) => ({ ...query, resource }),
          page,
          options,
        ),
    }),
    ...(actions && {
      async actions(query: ActionQuery, page: PageRequest, options: AskOptions): Promise<SearchPage<Action>> {
        const all = actions(query.resource.type)
          .slice(0, MOST_ACTIONS)
          .map((name): Action => ({ name }))
        const found = await allowed(all, (action) => ({ ...query, action }), options)
        return slice(found, page)
      },
    }),
  }
}

/** The actions that an access definition has for a type of resource, for {@link searchBy}. */
export function actionsOf({ permissions }: { readonly permissions: readonly string[] }, type: string): readonly string[] {
  const prefix = `${type}:`
  return permissions.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length))
}

function slice<T>(all: readonly T[], { after, limit }: PageRequest): SearchPage<T> {
  const from = after === undefined ? 0 : Number(after)
  const to = from + limit
  return { results: all.slice(from, to), total: all.length, ...(to < all.length ? { next: String(to) } : {}) }
}
