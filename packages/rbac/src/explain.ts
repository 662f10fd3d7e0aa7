import type { ConditionTrace } from './condition-text.ts'
import type { AccessDecision, AccessReasonCode, AccessTerm, RuleTrace } from './decision.ts'

/** One line of an explanation, and what stands below it. */
export interface ExplanationNode {
  readonly text: string
  /** `unasked`: something before it had decided. */
  readonly outcome: 'met' | 'unmet' | 'unknown' | 'unasked'
  readonly nodes?: readonly ExplanationNode[]
}

/** Why somebody may, or may not: for the log. Plain data, for JSON. It names rules and fields, never what a record holds. */
export interface Explanation {
  readonly about: 'some' | 'record'
  readonly permission: string
  readonly allowed: boolean
  readonly code: AccessReasonCode
  readonly message: string
  /** The term that failed; none where it was allowed. */
  readonly failed?: AccessTerm
  /** Role, scope, tenant, time and condition, in the order in which they are asked; then each rule that was looked at. */
  readonly terms: readonly ExplanationNode[]
  readonly stale?: true
  /** What the client may be told: whether it may, and nothing of why. */
  readonly client: ClientExplanation
  /** The same as a tree for people, one line for each part. */
  readonly text: string
}

/** What a client may know of a decision about it. No rule, no role, no field, and not whether the record is another tenant's. */
export interface ClientExplanation {
  readonly permission: string
  readonly allowed: boolean
  /** That another credential of the same caller may do (RFC 6750 §3.1): he could ask for the scope. */
  readonly insufficientScope?: true
}

const MARKS = { met: '✓', unmet: '✗', unknown: '?', unasked: '·' } as const

/**
 * Explains a decision. Everything but `client` is for the log and for those who write the rules.
 * @example console.log(explain(access.decide(principal, 'invoice:update', invoice)).text)
 */
export function explain(decision: AccessDecision): Explanation {
  const { about, permission, allowed, reason, considered, stale } = decision
  const { code, message, failed } = reason
  const terms = explainTerms(decision)
  const head = `${allowed ? 'allowed' : 'refused'}: ${permission} on ${about === 'some' ? 'some records' : 'this record'} (${code})`
  const rules = considered?.map(explainRule) ?? []
  const lines = [
    head,
    `  ${message}`,
    ...(stale ? ['  ! the rules may have changed since they were last read'] : []),
    ...[...terms, ...rules].flatMap((node) => draw(node, 1)),
  ]
  return {
    about,
    permission,
    allowed,
    code,
    message,
    ...(failed === undefined ? {} : { failed }),
    terms: [...terms, ...rules],
    ...(stale ? { stale } : {}),
    client: { permission, allowed, ...(code === 'rbac.scope_missing' ? { insufficientScope: true as const } : {}) },
    text: lines.join('\n'),
  }
}

/** The order in which the terms are asked where no record matters, and where rules had to be looked at one by one. */
const ORDER: readonly AccessTerm[] = ['rules', 'deny', 'role', 'time', 'scope', 'tenant', 'condition', 'field']
const ORDER_BY_RULE: readonly AccessTerm[] = ['rules', 'role', 'scope', 'deny', 'time', 'tenant', 'condition', 'field']
const OF_RECORDS: readonly AccessTerm[] = ['tenant', 'condition', 'field']

const WORDS: { readonly [T in AccessTerm]: string } = {
  rules: 'the rules are known',
  role: 'a role grants it',
  deny: 'no rule denies it',
  scope: 'the credential’s scope covers it',
  tenant: 'the record is of a tenant in reach',
  time: 'the rule holds at this time',
  condition: 'the rule’s condition is met',
  field: 'the fields may be written',
}

function explainTerms({ about, considered, reason: { failed, code } }: AccessDecision): readonly ExplanationNode[] {
  const asked = (considered === undefined ? ORDER : ORDER_BY_RULE).filter((term) => {
    if (term === 'rules' || term === 'field') return term === failed
    return about === 'record' || !OF_RECORDS.includes(term)
  })
  const at = failed === undefined ? asked.length : asked.indexOf(failed)
  return asked.map((term, index) => ({
    text: term === 'role' && code.startsWith('rbac.client') ? 'programs may hold it' : WORDS[term],
    outcome: index < at ? 'met' : index === at ? 'unmet' : 'unasked',
  }))
}

function explainRule({ effect, rule, applies, inTime, inTenant, condition }: RuleTrace): ExplanationNode {
  const where = rule.crossTenant ? ', in every tenant' : ''
  const verb = effect === 'allow' ? 'grants' : 'denies'
  const nodes: ExplanationNode[] = []
  if (!inTime) nodes.push({ text: 'it holds at this time', outcome: 'unmet' })
  if (!inTenant) nodes.push({ text: 'it reaches the record’s tenant', outcome: 'unmet' })
  if (condition !== undefined) nodes.push(explainCondition(condition))
  return {
    text: `${rule.path.join(' → ')} ${verb} ${rule.pattern}${where}: ${applies ? 'it applies' : 'it does not apply'}`,
    outcome: applies === (effect === 'allow') ? 'met' : 'unmet',
    ...(nodes.length === 0 ? {} : { nodes }),
  }
}

function explainCondition({ text, outcome, because, parts }: ConditionTrace): ExplanationNode {
  return {
    text: because === undefined ? text : `${text}: ${because}`,
    outcome,
    ...(parts === undefined ? {} : { nodes: parts.map(explainCondition) }),
  }
}

function draw({ text, outcome, nodes }: ExplanationNode, depth: number): readonly string[] {
  const line = `${'  '.repeat(depth)}${MARKS[outcome]} ${text}`
  return [line, ...(nodes ?? []).flatMap((node) => draw(node, depth + 1))]
}
