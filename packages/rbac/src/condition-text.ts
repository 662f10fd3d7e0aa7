import { type Asker, evaluate, type Node, readField, resolveOperand, type Truth } from './condition-node.ts'

/**
 * What a condition came to, part by part, for the log. It names fields, and values as the rule has them; never what the record or the
 * caller holds.
 */
export interface ConditionTrace {
  /** The condition in words: `createdBy is the caller’s subject`. */
  readonly text: string
  /** `unknown` is neither: the field is missing, or of another type. */
  readonly outcome: 'met' | 'unmet' | 'unknown'
  /** What made it unknown. */
  readonly because?: string
  readonly parts?: readonly ConditionTrace[]
}

const WORDS = { eq: 'is', ne: 'is not', lt: 'is below', lte: 'is at most', gt: 'is above', gte: 'is at least' } as const

/** A condition in words. */
export function describeCondition(node: Node): string {
  switch (node.kind) {
    case 'compare':
      return `${node.field} ${WORDS[node.comparator]} ${describeOperand(node.operand)}`
    case 'in':
      return `${node.field} is among ${'from' in node.among ? describeOperand(node.among) : describeList(node.among)}`
    case 'exists':
      return `${node.field} is ${node.exists ? 'there' : 'missing'}`
    case 'all':
    case 'any':
      return describeParts(node)
    case 'not':
      return `not (${describeCondition(node.node)})`
    case 'function':
      return node.test.name === '' || node.test.name === 'when' ? 'a function says so' : `${node.test.name}() says so`
    case 'constant':
      return node.truth === undefined ? 'unknown' : node.truth ? 'always' : 'never'
  }
}

function describeParts({ kind, nodes }: Extract<Node, { nodes: unknown }>): string {
  if (nodes.length === 0) return kind === 'all' ? 'always' : 'never'
  const parts = nodes.map((part) =>
    part.kind === 'all' || part.kind === 'any' ? `(${describeCondition(part)})` : describeCondition(part),
  )
  return parts.join(kind === 'all' ? ' and ' : ' or ')
}

function describeOperand(operand: Extract<Node, { kind: 'compare' }>['operand']): string {
  if (operand.from === 'literal') return JSON.stringify(operand.value)
  return operand.from === 'now' ? 'now' : `the caller’s ${operand.name}`
}

function describeList(list: readonly unknown[]): string {
  return list.length === 0 ? 'nothing' : list.map((value) => JSON.stringify(value)).join(', ')
}

/** Evaluates a condition, and keeps what each part came to. Functions are called once. */
export function traceCondition(
  node: Node,
  asker: Asker,
  record: object,
): { readonly truth: Truth; readonly trace: ConditionTrace } {
  const text = describeCondition(node)
  if (node.kind === 'all' || node.kind === 'any' || node.kind === 'not') {
    const parts = (node.kind === 'not' ? [node.node] : node.nodes).map((part) => traceCondition(part, asker, record))
    const truth = combine(
      node.kind,
      parts.map((part) => part.truth),
    )
    return { truth, trace: frozen({ text, outcome: outcome(truth), parts: Object.freeze(parts.map((part) => part.trace)) }) }
  }
  const truth = evaluate(node, asker, record)
  const because = truth === undefined ? whyUnknown(node, asker, record) : undefined
  return { truth, trace: frozen({ text, outcome: outcome(truth), ...(because === undefined ? {} : { because }) }) }
}

function combine(kind: 'all' | 'any' | 'not', truths: readonly Truth[]): Truth {
  if (kind === 'not') return truths[0] === undefined ? undefined : !truths[0]
  const decides = kind === 'any'
  if (truths.includes(decides)) return decides
  return truths.includes(undefined) ? undefined : !decides
}

function outcome(truth: Truth): ConditionTrace['outcome'] {
  return truth === undefined ? 'unknown' : truth ? 'met' : 'unmet'
}

function whyUnknown(node: Node, asker: Asker, record: object): string {
  if (node.kind === 'function') return 'the function answered neither true nor false'
  if (node.kind !== 'compare' && node.kind !== 'in') return 'it can’t be known'
  const value = readField(record, node.field)
  if (value === undefined || value === null) return `the record has no ${node.field}`
  if (typeof value !== node.type || Number.isNaN(value)) return `${node.field} of the record is no ${node.type}`
  if (node.kind === 'in') return 'what it is looked for among is no list of its type'
  const { operand } = node
  if (operand.from !== 'principal') return 'it can’t be known'
  return resolveOperand(operand, asker) === undefined
    ? `the caller has no ${operand.name}`
    : `the caller’s ${operand.name} is no ${node.type}`
}

function frozen(trace: ConditionTrace): ConditionTrace {
  return Object.freeze(trace)
}
