import type { Attribute, FieldType, Literal } from './condition.ts'
import { type Comparator, isValue, type Node, type Operand, PRINCIPAL_ATTRIBUTES } from './condition-node.ts'
import { ownEntries, ownMembers } from './definition.ts'
import { AccessError } from './errors.ts'
import type { FieldsInReach } from './schema.ts'

/** Rules may come from a store: what somebody wrote there must not exhaust the stack, nor the time of every check. */
const MOST_DEPTH = 16
const MOST_NODES = 256

const COMPARATORS: ReadonlySet<string> = new Set<Comparator>(['eq', 'ne', 'lt', 'lte', 'gt', 'gte'])
const UNITS = ['milliseconds', 'seconds', 'rfc3339'] as const

/** What a condition may name. */
export interface ConditionNames {
  /** The fields that the resources of the rule's permissions have in common. */
  readonly fields: FieldsInReach
  /** The attributes that the definition adds. */
  readonly attributes: ReadonlyMap<string, Attribute>
  /** Told of every name that is not known, so that all are named at once. */
  readonly unknown: UnknownNames
}

/** Names that nobody declared, with the places where they stand. */
export class UnknownNames {
  readonly #found = new Map<'field' | 'attribute', { name: string; place: string }[]>()

  add(kind: 'field' | 'attribute', name: string, place: string): void {
    const found = this.#found.get(kind)
    if (found === undefined) this.#found.set(kind, [{ name, place }])
    else found.push({ name, place })
  }

  /** @throws AccessError `rbac.field_unknown`, `rbac.attribute_unknown` */
  refuse(): void {
    for (const [kind, found] of this.#found) {
      const places = found.map(({ name, place }) => `${JSON.stringify(name)} (${place})`).join('; ')
      const what = kind === 'field' ? 'no resource of the rule declares field' : 'no attribute is defined as'
      throw new AccessError(
        `rbac.${kind}_unknown`,
        `${what} ${places}`,
        found.map(({ name }) => name),
      )
    }
  }
}

/**
 * Checks a condition that was written, or stored. Only own members are read.
 * @throws AccessError `rbac.condition_invalid`
 */
export function parseCondition(place: string, written: unknown, names: ConditionNames): Node {
  if (typeof written === 'function') return { kind: 'function', test: written as Extract<Node, { kind: 'function' }>['test'] }
  let nodes = 0
  const parse = (at: string, part: unknown, depth: number): Node => {
    nodes += 1
    if (depth > MOST_DEPTH || nodes > MOST_NODES) {
      throw invalid(place, `is larger than ${MOST_NODES} parts, or deeper than ${MOST_DEPTH}`)
    }
    const kinds = memberNames(at, part)
    if (kinds.includes('field')) return parseComparison(at, part, names)
    const [kind, ...others] = kinds
    if (others.length > 0) throw invalid(at, `has ${kinds.join(' and ')}: write one of them, or join them by all`)
    const member = ownMembers(at, part, ['owner', 'all', 'any', 'not'])
    switch (kind) {
      case 'owner':
        return parseOwner(at, member.owner, names)
      case 'not':
        return { kind, node: parse(`${at}.not`, member.not, depth + 1) }
      case 'all':
      case 'any': {
        const list: unknown = member[kind]
        if (!Array.isArray(list)) throw invalid(`${at}.${kind}`, 'is not a list')
        return { kind, nodes: list.map((item, index) => parse(`${at}.${kind}[${index}]`, item, depth + 1)) }
      }
      default:
        throw invalid(at, 'says nothing: it needs owner, field, all, any or not')
    }
  }
  return parse(place, written, 0)
}

function parseOwner(at: string, field: unknown, names: ConditionNames): Node {
  const type = typeOfField(at, field, names)
  if ((type ?? 'string') !== 'string') throw invalid(at, `takes ${String(field)} as an owner, but that is a ${type}`)
  return {
    kind: 'compare',
    comparator: 'eq',
    field: String(field),
    type: 'string',
    operand: principalOperand(at, 'subject', names),
  }
}

function parseComparison(at: string, part: unknown, names: ConditionNames): Node {
  const { field, ...given } = ownMembers(at, part, ['field', 'eq', 'ne', 'lt', 'lte', 'gt', 'gte', 'in', 'exists'])
  const [comparison, ...others] = Object.entries(given)
  if (comparison === undefined || others.length > 0) {
    throw invalid(at, 'needs exactly one of eq, ne, lt, lte, gt, gte, in and exists')
  }
  const type = typeOfField(at, field, names)
  const name = String(field)
  const [kind, value] = comparison
  if (kind === 'exists') {
    if (typeof value !== 'boolean') throw invalid(`${at}.exists`, 'is neither true nor false')
    return { kind, field: name, exists: value }
  }
  if (kind === 'in') return { kind, field: name, type: type ?? 'string', among: parseList(`${at}.in`, type, value, names) }
  if (!COMPARATORS.has(kind)) throw invalid(at, `has no comparison ${kind}`)
  if (type === 'boolean' && kind !== 'eq' && kind !== 'ne') throw invalid(at, `orders ${name}, which is a boolean`)
  const operand = parseOperand(`${at}.${kind}`, type, value, names)
  return { kind: 'compare', comparator: kind as Comparator, field: name, type: type ?? 'string', operand }
}

function parseList(
  at: string,
  type: FieldType | undefined,
  list: unknown,
  names: ConditionNames,
): Extract<Node, { kind: 'in' }>['among'] {
  if (!Array.isArray(list)) return principalOperand(at, ownMembers(at, list, ['principal']).principal, names)
  const values: Literal[] = []
  for (const [index, item] of list.entries()) values.push(literal(`${at}[${index}]`, type, item))
  return values
}

function parseOperand(at: string, type: FieldType | undefined, value: unknown, names: ConditionNames): Operand {
  if (typeof value !== 'object' || value === null) return { from: 'literal', value: literal(at, type, value) }
  const { principal, now } = ownMembers(at, value, ['principal', 'now'])
  if (principal !== undefined && now !== undefined) throw invalid(at, 'names both principal and now')
  if (now === undefined) return principalOperand(at, principal, names)
  const unit = UNITS.find((known) => known === now)
  if (unit === undefined) throw invalid(at, `has no unit ${JSON.stringify(now)}: write ${UNITS.join(', ')}`)
  const needed = unit === 'rfc3339' ? 'string' : 'number'
  if ((type ?? needed) !== needed) throw invalid(at, `compares now in ${unit} with a ${type}`)
  return { from: 'now', unit }
}

function principalOperand(
  at: string,
  name: unknown,
  { attributes, unknown }: ConditionNames,
): Extract<Operand, { from: 'principal' }> {
  if (typeof name !== 'string') throw invalid(at, 'is neither a value nor { principal } with the name of an attribute')
  const known = Object.entries(PRINCIPAL_ATTRIBUTES).find(([attribute]) => attribute === name)?.[1] ?? attributes.get(name)
  if (known === undefined) unknown.add('attribute', name, at)
  return { from: 'principal', name, read: known ?? (() => undefined) }
}

function literal(at: string, type: FieldType | undefined, value: unknown): Literal {
  // Of a field that nobody declared, the type is not known; it is refused by its name.
  if (type === undefined) return ''
  if (isValue(type, value)) return value
  throw invalid(at, `is not a ${type} that every database can hold`)
}

function typeOfField(at: string, field: unknown, { fields, unknown }: ConditionNames): FieldType | undefined {
  if (typeof field !== 'string') throw invalid(at, 'names no field')
  const type = fields.typeOf(field)
  if (type === 'mixed') throw invalid(at, `names ${field}, which has another type in another resource of the rule`)
  if (type === undefined) unknown.add('field', field, at)
  return type
}

/** Only for objects; everything else is refused by the members' own reader. */
function memberNames(at: string, part: unknown): readonly string[] {
  return ownEntries(at, part).map(([name]) => name)
}

function invalid(at: string, problem: string): AccessError {
  return new AccessError('rbac.condition_invalid', `${at} ${problem}`)
}
