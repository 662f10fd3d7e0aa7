import type { Clock, Principal, RequestView } from '@portcullis/core'
import type { Attribute, FieldType, Literal, NowOperand, PrincipalAttribute, RecordTest } from './condition.ts'

/** True, false, or unknown (`undefined`): the logic of SQL, so that a predicate and a query select the same. */
export type Truth = boolean | undefined

export type Comparator = 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte'

/** Who asks, and when. */
export interface Asker {
  readonly principal: Principal
  readonly request: RequestView | undefined
  readonly clock: Clock
}

/** A value that a field is compared with. */
export type Operand =
  | { readonly from: 'literal'; readonly value: Literal }
  | { readonly from: 'principal'; readonly name: string; readonly read: Attribute }
  | { readonly from: 'now'; readonly unit: NowOperand['now'] }

/** A condition, checked. */
export type Node =
  | { readonly kind: 'constant'; readonly truth: Truth }
  | {
      readonly kind: 'compare'
      readonly comparator: Comparator
      readonly field: string
      readonly type: FieldType
      readonly operand: Operand
    }
  | {
      readonly kind: 'in'
      readonly field: string
      readonly type: FieldType
      readonly among: readonly Literal[] | Extract<Operand, { from: 'principal' }>
    }
  | { readonly kind: 'exists'; readonly field: string; readonly exists: boolean }
  | { readonly kind: 'all' | 'any'; readonly nodes: readonly Node[] }
  | { readonly kind: 'not'; readonly node: Node }
  | { readonly kind: 'function'; readonly test: RecordTest }

/** The attributes that come with core's principal. */
export const PRINCIPAL_ATTRIBUTES: Readonly<Record<PrincipalAttribute, Attribute>> = Object.freeze({
  subject: (principal) => principal.subject,
  kind: (principal) => principal.kind,
  tenant: (principal) => principal.tenant,
  clientId: (principal) => principal.clientId,
  acr: (principal) => principal.acr,
  authTime: (principal) => principal.authTime,
  roles: (principal) => principal.roles,
  scopes: (principal) => principal.scopes,
  amr: (principal) => principal.amr,
})

/** What a condition says of one record. */
export function evaluate(node: Node, asker: Asker, record: object): Truth {
  switch (node.kind) {
    case 'compare':
      return compare(node.comparator, node.type, readField(record, node.field), resolveOperand(node.operand, asker))
    case 'in':
      return isAmong(node.type, readField(record, node.field), listOf(node.among, asker))
    case 'exists': {
      const value = readField(record, node.field)
      return (value !== undefined && value !== null) === node.exists
    }
    case 'all':
    case 'any':
      return evaluateList(node, asker, record)
    case 'not': {
      const truth = evaluate(node.node, asker, record)
      return truth === undefined ? undefined : !truth
    }
    case 'function': {
      const answer: unknown = node.test(asker.principal, record as Readonly<Record<string, unknown>>)
      return typeof answer === 'boolean' ? answer : undefined
    }
    case 'constant':
      return node.truth
  }
}

function evaluateList(node: Extract<Node, { nodes: unknown }>, asker: Asker, record: object): Truth {
  // Whatever decides a list at once: one false of `all`, one true of `any`.
  const decides = node.kind === 'any'
  let truth: Truth = !decides
  for (const part of node.nodes) {
    const found = evaluate(part, asker, record)
    if (found === decides) return decides
    if (found === undefined) truth = undefined
  }
  return truth
}

/** The condition with the asker's values put in, as a query needs it. It never changes afterwards. */
export function bindNode(node: Node, asker: Asker): Node {
  switch (node.kind) {
    case 'compare': {
      const value = resolveOperand(node.operand, asker)
      if (!isValue(node.type, value)) return { kind: 'constant', truth: undefined }
      return { ...node, operand: { from: 'literal', value } }
    }
    case 'in': {
      const list = listOf(node.among, asker)
      if (list === undefined || !list.every((value) => isValue(node.type, value))) return { kind: 'constant', truth: undefined }
      return list.length === 0 ? { kind: 'constant', truth: false } : { ...node, among: [...list] }
    }
    case 'all':
    case 'any':
      return joinNodes(
        node.kind,
        node.nodes.map((part) => bindNode(part, asker)),
      )
    case 'not':
      return negateNode(bindNode(node.node, asker))
    default:
      return node
  }
}

/** `all` or `any` of what was bound, without what changes nothing. */
export function joinNodes(kind: 'all' | 'any', nodes: readonly Node[]): Node {
  const decides = kind === 'any'
  if (nodes.some((node) => node.kind === 'constant' && node.truth === decides)) return { kind: 'constant', truth: decides }
  const left = nodes.filter((node) => !(node.kind === 'constant' && node.truth === !decides))
  const [only, ...others] = left
  if (only === undefined) return { kind: 'constant', truth: !decides }
  return others.length === 0 ? only : { kind, nodes: left }
}

export function negateNode(node: Node): Node {
  if (node.kind === 'constant') return { kind: 'constant', truth: node.truth === undefined ? undefined : !node.truth }
  return { kind: 'not', node }
}

/** Every function in a condition. */
export function hasFunction(node: Node): boolean {
  if (node.kind === 'function') return true
  if (node.kind === 'not') return hasFunction(node.node)
  return (node.kind === 'all' || node.kind === 'any') && node.nodes.some(hasFunction)
}

/**
 * A field as the record has it, or its class. What stands on `Object.prototype` is nobody's: a polluted one must not give records an
 * owner or a tenant that they don't have.
 */
export function readField(record: object, field: string): unknown {
  if (Object.hasOwn(record, field)) return (record as Readonly<Record<string, unknown>>)[field]
  let place: object | null = Object.getPrototypeOf(record)
  while (place !== null && place !== Object.prototype) {
    if (Object.hasOwn(place, field)) return (record as Readonly<Record<string, unknown>>)[field]
    place = Object.getPrototypeOf(place)
  }
  return undefined
}

export function resolveOperand(operand: Operand, asker: Asker): unknown {
  if (operand.from === 'literal') return operand.value
  if (operand.from === 'principal') return operand.read(asker.principal, asker.request)
  const now = asker.clock.now()
  if (operand.unit === 'milliseconds') return now
  return operand.unit === 'seconds' ? Math.floor(now / 1000) : new Date(now).toISOString()
}

function listOf(among: Extract<Node, { kind: 'in' }>['among'], asker: Asker): readonly Literal[] | undefined {
  if (!('from' in among)) return among
  const value: unknown = among.read(asker.principal, asker.request)
  return Array.isArray(value) ? value : undefined
}

function compare(comparator: Comparator, type: FieldType, left: unknown, right: unknown): Truth {
  if (!isFieldValue(type, left) || !isFieldValue(type, right)) return undefined
  switch (comparator) {
    case 'eq':
      return left === right
    case 'ne':
      return left !== right
    case 'lt':
      return order(left, right) < 0
    case 'lte':
      return order(left, right) <= 0
    case 'gt':
      return order(left, right) > 0
    case 'gte':
      return order(left, right) >= 0
  }
}

function isAmong(type: FieldType, value: unknown, list: readonly Literal[] | undefined): Truth {
  if (list === undefined || !list.every((item) => isFieldValue(type, item))) return undefined
  // Of nothing, it is none, whatever it is: SQL says so too.
  if (list.length === 0) return false
  return isFieldValue(type, value) ? list.includes(value) : undefined
}

function isFieldValue(type: FieldType, value: unknown): value is Literal {
  // biome-ignore lint/suspicious/noSelfCompare: the one value that is not itself is NaN, which databases keep as NULL or not at all
  return typeof value === type && value === value
}

/**
 * Whether a query may compare a field with it, in every database: no infinite number, no half of a surrogate pair and no U+0000, which
 * UTF-8 or PostgreSQL can't hold. A value that is none makes a comparison unknown, so that a query selects less and never more.
 */
export function isValue(type: FieldType, value: unknown): value is Literal {
  if (typeof value !== type) return false
  if (typeof value === 'number') return Number.isFinite(value)
  return typeof value !== 'string' || !UNFIT.test(value)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: U+0000 is what is looked for
const UNFIT = /[\u0000\ud800-\udfff]/u

function order(left: Literal, right: Literal): number {
  if (typeof left !== 'string' || typeof right !== 'string') return left < right ? -1 : left > right ? 1 : 0
  // By code point, as databases order the bytes of UTF-8; `<` of JavaScript orders the halves of surrogate pairs.
  const length = Math.min(left.length, right.length)
  for (let at = 0; at < length; at++) {
    const one = left.charCodeAt(at)
    const other = right.charCodeAt(at)
    if (one !== other) return rank(one) - rank(other)
  }
  return left.length - right.length
}

/** Code units in the order of the code points that they begin: surrogates stand for those above U+FFFF. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}
