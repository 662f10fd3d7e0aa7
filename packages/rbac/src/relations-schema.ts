import { RelationError } from './relations-errors.ts'

/** One relation of one type. */
export interface RelationDefinition<Direct extends string = string, Implied extends string = string> {
  /** Whom a tuple may name: `user`, the members of a group `group#member`, everybody of a type `user:*`, or an object, such as a `folder`. */
  readonly direct?: readonly Direct[]
  /** Which relations imply it: another one of the same object, `editor`, or one of a related object, `viewer from parent`. */
  readonly anyOf?: readonly Implied[]
}

/** Types of objects, with the relations in which others stand to them. */
export type RelationSchema = Readonly<Record<string, Readonly<Record<string, RelationDefinition>>>>

/** The types of a schema. */
export type TypeOf<S extends RelationSchema> = keyof S & string

/** The relations of a type. */
export type RelationOf<S extends RelationSchema, T extends TypeOf<S>> = keyof S[T] & string

/** A relation with its type, as one name: `document#viewer`. */
export type RelationName<S extends RelationSchema> = { [T in TypeOf<S>]: `${T}#${RelationOf<S, T>}` }[TypeOf<S>]

type AnyRelation<S extends RelationSchema> = { [T in TypeOf<S>]: RelationOf<S, T> }[TypeOf<S>]

/** What a schema must be, given its own names: a typo does not compile. */
export type CheckedSchema<S extends RelationSchema> = {
  readonly [T in keyof S]: {
    readonly [R in keyof S[T]]: RelationDefinition<
      TypeOf<S> | `${TypeOf<S>}:*` | RelationName<S>,
      (keyof S[T] & string) | `${AnyRelation<S>} from ${keyof S[T] & string}`
    >
  }
}

/** A relation, with what it comes to. */
export interface CompiledRelation {
  readonly type: string
  readonly name: string
  /** Types that a tuple may name, each object by itself. */
  readonly objects: ReadonlySet<string>
  /** Types of which a tuple may name everybody. */
  readonly everyone: ReadonlySet<string>
  /** `type#relation` that a tuple may name. */
  readonly usersets: ReadonlySet<string>
  /** Relations of the same object that imply it, as written. */
  readonly computed: readonly string[]
  /** Itself, and relations of the same object that imply it over whatever number of others. */
  readonly same: readonly CompiledRelation[]
  /** Its own `relation from link`: whoever has the relation to an object that this one is linked to. */
  readonly from: readonly { readonly relation: string; readonly link: string }[]
}

interface Draft extends CompiledRelation {
  readonly same: Draft[]
}

/** A schema, checked and with its names resolved. */
export class RelationModel {
  readonly #relations: ReadonlyMap<string, CompiledRelation>
  readonly #types: ReadonlySet<string>

  /** @throws RelationError `rbac.relation_schema_invalid`, with each wrong name */
  constructor(schema: unknown) {
    const drafts = draftsOf(schema)
    this.#types = new Set(entriesOf('the schema', schema).map(([type]) => type))
    this.#relations = drafts
    const wrong = [...drafts.values()].flatMap((relation) => this.#faultsOf(relation))
    if (wrong.length > 0) {
      const message = wrong.map(({ place, name }) => `${JSON.stringify(name)} (${place})`).join('; ')
      throw new RelationError(
        'rbac.relation_schema_invalid',
        `the schema can't have ${message}`,
        wrong.map(({ name }) => name),
      )
    }
    for (const draft of drafts.values()) {
      // A list that grows while it is walked: each is met once, so relations that imply each other end.
      for (const one of draft.same) {
        for (const name of one.computed) {
          const other = drafts.get(`${draft.type}#${name}`)
          if (other !== undefined && !draft.same.includes(other)) draft.same.push(other)
        }
      }
    }
  }

  get all(): Iterable<CompiledRelation> {
    return this.#relations.values()
  }

  hasType(type: string): boolean {
    return this.#types.has(type)
  }

  find(type: string, relation: string): CompiledRelation | undefined {
    return this.#relations.get(`${type}#${relation}`)
  }

  /** @throws RelationError `rbac.relation_unknown` (400) */
  get(type: string, relation: string): CompiledRelation {
    const found = this.find(type, relation)
    if (found !== undefined) return found
    const name = `${type}#${relation}`
    throw new RelationError('rbac.relation_unknown', `the schema has no relation ${JSON.stringify(name)}`, [name], 400)
  }

  #faultsOf(relation: Draft): { readonly place: string; readonly name: string }[] {
    const place = `${relation.type}#${relation.name}`
    const known = (type: string): boolean => this.#types.has(type)
    return [
      ...[...relation.objects].filter((type) => !known(type)),
      ...[...relation.everyone].filter((type) => !known(type)).map((type) => `${type}:*`),
      ...[...relation.usersets].filter((name) => !this.#relations.has(name)),
      ...relation.computed.filter((name) => this.find(relation.type, name) === undefined),
      ...relation.from.filter((one) => !this.#isLink(relation.type, one)).map((one) => `${one.relation} from ${one.link}`),
    ].map((name) => ({ place, name }))
  }

  /** The link names objects one by one, nothing implies it, and one of their types has the relation. */
  #isLink(type: string, { relation, link }: { readonly relation: string; readonly link: string }): boolean {
    const found = this.#relations.get(`${type}#${link}`) as Draft | undefined
    if (found === undefined || found.usersets.size + found.everyone.size + found.computed.length + found.from.length > 0) {
      return false
    }
    return [...found.objects].some((target) => this.find(target, relation) !== undefined)
  }
}

function draftsOf(schema: unknown): ReadonlyMap<string, Draft> {
  const drafts = new Map<string, Draft>()
  for (const [type, relations] of entriesOf('the schema', schema)) {
    for (const [name, definition] of entriesOf(`type ${type}`, relations)) {
      const place = `${type}#${name}`
      const members = entriesOf(place, definition)
      const other = members.find(([member]) => member !== 'direct' && member !== 'anyOf')
      // An unknown member may be an `exclude` that somebody relies on.
      if (other !== undefined) throw invalid(`${place} has no member ${JSON.stringify(other[0])}`, [other[0]])
      const direct = listOf(place, members, 'direct')
      const anyOf = listOf(place, members, 'anyOf')
      if (direct.length + anyOf.length === 0)
        throw invalid(`nobody could stand in ${place}: it has no direct and no anyOf`, [place])
      const parted = anyOf.map((entry) => entry.split(' from '))
      const draft: Draft = {
        type,
        name,
        objects: new Set(direct.filter((entry) => !entry.includes('#') && !entry.endsWith(':*'))),
        everyone: new Set(direct.filter((entry) => entry.endsWith(':*')).map((entry) => entry.slice(0, -2))),
        usersets: new Set(direct.filter((entry) => entry.includes('#'))),
        computed: parted.filter((parts) => parts.length === 1).map(([relation = '']) => relation),
        from: parted.filter((parts) => parts.length > 1).map(([relation = '', link = '']) => ({ relation, link })),
        same: [],
      }
      draft.same.push(draft)
      drafts.set(place, draft)
    }
  }
  return drafts
}

function listOf(place: string, members: readonly (readonly [string, unknown])[], name: string): readonly string[] {
  const list = members.find(([member]) => member === name)?.[1] ?? []
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'string')) {
    throw invalid(`${name} of ${place} is not a list of strings`, [place])
  }
  return list
}

/** Own members alone: what somebody put on `Object.prototype` relates nobody. */
function entriesOf(place: string, part: unknown): readonly (readonly [name: string, value: unknown])[] {
  if (typeof part !== 'object' || part === null || Array.isArray(part)) throw invalid(`${place} is not an object`, [])
  const entries = Object.entries(part)
  // A letter first: `__proto__` is no name. No `#`, `:`, `*` and space, which mean something.
  const unfit = entries.find(([name]) => !/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(name))
  if (unfit !== undefined) throw invalid(`${place} can't have ${JSON.stringify(unfit[0])} as a name`, [unfit[0]])
  return entries
}

function invalid(message: string, names: readonly string[]): RelationError {
  return new RelationError('rbac.relation_schema_invalid', message, names)
}
