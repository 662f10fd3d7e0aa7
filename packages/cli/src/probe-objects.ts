import { isDeepStrictEqual } from 'node:util'
import type { MatrixRow } from '@portcullis/rbac'
import { type PathParameters, PathTemplate } from './path-template.ts'
import type { ProbeActor } from './probe-actor.ts'
import { isSuccess, type ProbeClient } from './probe-client.ts'

/** Something that an actor may see, by its place. */
export interface OwnObject {
  readonly parameters: PathParameters
  /** The value of the last parameter. */
  readonly id: string
  /** As a listing showed it, where one did. */
  readonly item?: unknown
}

/** What one actor sees at one place. */
export interface OwnObjects {
  readonly objects: readonly OwnObject[]
  /** There may be more: what is not among them may be his all the same. */
  readonly isPartial: boolean
}

/** Ids that were given: by actor, then by pattern up to the last parameter. */
export type GivenIds = Readonly<Record<string, Readonly<Record<string, readonly (string | PathParameters)[]>>>>

const MOST_PARENTS = 3
const MOST_ITEMS = 1000
const NOTHING: OwnObjects = { objects: [], isPartial: false }

/** Finds out what is whose, by listing with each actor's own credential. */
export class ObjectFinder {
  readonly #client: ProbeClient
  readonly #rows: readonly MatrixRow[]
  readonly #given: GivenIds
  readonly #idField: string
  readonly #found = new Map<string, Promise<OwnObjects>>()

  constructor(client: ProbeClient, rows: readonly MatrixRow[], given: GivenIds, idField: string) {
    this.#client = client
    this.#rows = rows
    this.#given = given
    this.#idField = idField
  }

  /** @param template a route's, with a parameter */
  find(actor: ProbeActor, template: PathTemplate): Promise<OwnObjects> {
    const object = template.object()
    if (object === undefined) return Promise.resolve(NOTHING)
    const key = JSON.stringify([actor.name, String(object)])
    const found = this.#found.get(key) ?? this.#look(actor, object)
    this.#found.set(key, found)
    return found
  }

  /** Every id of an actor that was found so far, anywhere. */
  async ids(actor: ProbeActor): Promise<ReadonlySet<string>> {
    const ids = new Set<string>()
    for (const [key, found] of this.#found) {
      const [name] = JSON.parse(key) as [string]
      if (name === actor.name) for (const { id } of (await found).objects) ids.add(id)
    }
    return ids
  }

  async #look(actor: ProbeActor, object: PathTemplate): Promise<OwnObjects> {
    const name = object.parameters.at(-1) ?? ''
    const given = ownOf(ownOf(this.#given, actor.name), String(object))
    if (given !== undefined) {
      const objects = given.map((value) => (typeof value === 'string' ? { [name]: value } : value))
      return { objects: objects.map((parameters) => ({ parameters, id: parameters[name] ?? '' })), isPartial: true }
    }
    const collection = object.collection()
    if (collection === undefined || !this.#isListed(collection)) return NOTHING
    const parents =
      collection.parameters.length === 0
        ? [{ parameters: {} }]
        : (await this.find(actor, collection)).objects.slice(0, MOST_PARENTS)
    const lists = await Promise.all(parents.map(({ parameters }) => this.#list(actor, collection, parameters, name)))
    return { objects: lists.flatMap(({ objects }) => objects), isPartial: lists.some(({ isPartial }) => isPartial) }
  }

  #isListed(collection: PathTemplate): boolean {
    const shape = shapeOf(collection)
    return this.#rows.some(({ method, pattern }) => {
      const template = method === 'GET' || method === '*' ? PathTemplate.parse(pattern) : undefined
      return template !== undefined && shapeOf(template) === shape
    })
  }

  async #list(actor: ProbeActor, collection: PathTemplate, parents: PathParameters, name: string): Promise<OwnObjects> {
    const target = collection.fill(parents)
    if (target === undefined) return NOTHING
    const response = await this.#client.send({ method: 'GET', target, as: actor })
    if (!isSuccess(response)) return NOTHING
    const answer = parse(response.body)
    const items = itemsOf(answer).slice(0, MOST_ITEMS)
    const objects = items.flatMap((item): readonly OwnObject[] => {
      const id = idOf(item, [name, this.#idField])
      return id === undefined ? [] : [{ parameters: { ...parents, [name]: id }, id, item }]
    })
    return { objects, isPartial: /rel="?next/.test(response.link) || saysMore(answer) }
  }
}

/** What one actor has that another does not see; `shared`: what both see, the very same. */
export function compareObjects(
  owner: OwnObjects,
  other: OwnObjects,
): { readonly alone: readonly OwnObject[]; readonly shared: readonly OwnObject[] } {
  const others = new Map(other.objects.map((object) => [JSON.stringify(object.parameters), object]))
  const twinOf = (object: OwnObject): OwnObject | undefined => others.get(JSON.stringify(object.parameters))
  return {
    alone: owner.objects.filter((object) => twinOf(object) === undefined),
    // Each tenant may count from 1: the same id is not the same thing.
    shared: owner.objects.filter(({ parameters, item }) => {
      const twin = twinOf({ parameters, id: '' })
      return twin !== undefined && item !== undefined && isDeepStrictEqual(item, twin.item)
    }),
  }
}

/** Every value that stands as an id in a JSON text. */
export function idsIn(text: string, idField: string): ReadonlySet<string> {
  const ids = new Set<string>()
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) visit(item)
    else if (isObject(value)) {
      const id = idOf(value, [idField])
      if (id !== undefined) ids.add(id)
      for (const member of Object.values(value)) visit(member)
    }
  }
  visit(parse(text))
  return ids
}

// The names of parameters are the application's own affair: `/x/:a` and `/x/:b` are one place.
function shapeOf(template: PathTemplate): string {
  return template.segments.map((segment) => ('text' in segment ? segment.text : ':')).join('/')
}

function itemsOf(answer: unknown): readonly unknown[] {
  if (Array.isArray(answer)) return answer
  const list = isObject(answer) ? Object.values(answer).find((member) => Array.isArray(member)) : undefined
  return Array.isArray(list) ? list : []
}

function idOf(item: unknown, fields: readonly string[]): string | undefined {
  for (const id of isObject(item) ? fields.map((field) => ownOf(item, field)) : [item]) {
    if (typeof id === 'string' && id !== '' && id.length <= 300) return id
    if (typeof id === 'number') return String(id)
  }
  return undefined
}

function saysMore(answer: unknown): boolean {
  if (!isObject(answer)) return false
  return Object.entries(answer).some(
    ([name, value]) => /^(?:next|has_?more|cursor|next_?(?:page|cursor|token|link))/i.test(name) && Boolean(value),
  )
}

function ownOf<V>(object: Readonly<Record<string, V>> | undefined, name: string): V | undefined {
  return object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
