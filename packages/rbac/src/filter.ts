import type { Literal } from './condition.ts'
import { type Asker, bindNode, evaluate, hasFunction, joinNodes, type Node, negateNode } from './condition-node.ts'
import { describeCondition } from './condition-text.ts'
import type { AccessRecord } from './decision.ts'
import { AccessError } from './errors.ts'
import { type SqlCondition, type SqlOptions, toSql } from './filter-sql.ts'
import type { PermissionRules } from './grants.ts'
import type { ResolvedPermission } from './permission.ts'
import { isRecord, testRules } from './record-rules.ts'
import type { ReachedRule } from './role.ts'
import { isInTime } from './rule.ts'

interface Selection {
  readonly permission: string
  /** `none`: there is no record with which the caller may do it, so that the query can be spared. */
  readonly selects: 'none' | 'some'
  /** The condition in words, for the log. */
  readonly text: string
  /** What a query selects, with the caller's values put in. Plain data; for {@link toSql} and its like. */
  readonly node: Node
  /**
   * Whether the caller may do it with this record. It answers for the moment at which the filter was made.
   * @example invoices.filter(filter.matches)
   */
  matches(record: AccessRecord): boolean
  /**
   * A condition for a `where`, with parameters. Join it to others by `and` alone; a query that negates it selects what it should not.
   * @throws AccessError `rbac.column_missing`
   */
  sql(options: SqlOptions): SqlCondition
}

/** Selects exactly the records with which a caller may do something: by `matches` and by queries alike. */
export interface AccessFilter extends Selection {
  readonly exact: true
}

/**
 * Selects the records with which a caller may do something, and others: conditions that are functions are not in the query. What a query
 * selects by it has to go through `matches`, before it is shown, counted or cut into pages.
 */
export interface AccessPrefilter extends Selection {
  readonly exact: false
}

/** @throws AccessError `rbac.filter_opaque` */
export function createFilter(permission: ResolvedPermission, asker: Asker, rules: PermissionRules | undefined): AccessFilter {
  const opaque = [...(rules?.denies ?? []), ...(rules?.allows ?? [])].find(({ rule }) => rule.when && hasFunction(rule.when))
  if (opaque !== undefined) {
    throw new AccessError(
      'rbac.filter_opaque',
      `${opaque.way.path.join(' → ')} has a condition on ${permission.name} that is a function: ask prefilter, and matches of each record`,
      [permission.name],
    )
  }
  const node = selectionOf(asker, rules)
  const matches = (record: AccessRecord): boolean => isRecord(record) && evaluate(node, asker, record) === true
  return Object.freeze({ ...describeSelection(permission, node), exact: true, matches })
}

export function createPrefilter(
  permission: ResolvedPermission,
  asker: Asker,
  rules: PermissionRules | undefined,
): AccessPrefilter {
  const node = selectionOf(asker, rules)
  // The functions get the principal as he was; and the time stands still, as it does in the query.
  const now = asker.clock.now()
  const then: Asker = { principal: Object.freeze({ ...asker.principal }), request: asker.request, clock: { now: () => now } }
  const matches = (record: AccessRecord): boolean => rules !== undefined && isRecord(record) && testRules(rules, then, record)
  return Object.freeze({ ...describeSelection(permission, node), exact: false, matches })
}

function describeSelection({ name }: ResolvedPermission, node: Node): Omit<Selection, 'matches'> {
  return {
    permission: name,
    selects: node.kind === 'constant' && node.truth !== true ? 'none' : 'some',
    text: describeCondition(node),
    node,
    sql: (options) => toSql(node, options),
  }
}

/** @param rules none where the caller may not at all */
function selectionOf(asker: Asker, rules: PermissionRules | undefined): Node {
  if (rules === undefined) return { kind: 'constant', truth: false }
  const now = asker.clock.now()
  const inTime = ({ rule }: ReachedRule) => isInTime(rule, now)
  const allows = rules.allows.filter(inTime)
  const granted = [false, true].map((crossTenant) => {
    const conditions = allows
      .filter((reached) => reached.crossTenant === crossTenant)
      .map(({ rule }) => bindCondition(rule.when, asker, true))
    // The tenant stands alone and first: that is what a list is indexed by.
    return joinNodes('all', [tenantNode(crossTenant, asker), joinNodes('any', distinct(conditions))])
  })
  const denials = rules.denies.filter(inTime).map(({ rule }) => bindCondition(rule.when, asker, false))
  return flatten(joinNodes('all', [joinNodes('any', granted), negateNode(joinNodes('any', distinct(denials)))]))
}

/** @param opaque what a function counts as: what could be allowed stays in, and what could be denied, too */
function bindCondition(when: Node | undefined, asker: Asker, opaque: boolean): Node {
  if (when === undefined) return { kind: 'constant', truth: true }
  return hasFunction(when) ? { kind: 'constant', truth: opaque } : bindNode(when, asker)
}

function tenantNode(crossTenant: boolean, asker: Asker): Node {
  const compare = { kind: 'compare', field: 'tenant', type: 'string' } as const
  const named = (comparator: 'eq' | 'ne', value: Literal): Node => ({
    ...compare,
    comparator,
    operand: { from: 'literal', value },
  })
  // A record that names no tenant is nobody's; SQL finds no NULL unequal to anything.
  if (crossTenant) return named('ne', '')
  const { tenant } = asker.principal
  if (tenant === undefined || tenant === '') return { kind: 'constant', truth: false }
  return bindNode(named('eq', tenant), asker)
}

function distinct(nodes: readonly Node[]): readonly Node[] {
  return [...new Map(nodes.map((node) => [JSON.stringify(node), node])).values()]
}

/** What has to be true of a record, one after the other. */
function flatten(node: Node): Node {
  const parts = conjuncts(node)
  // A part that nobody can know is never true, and at this place that decides.
  if (parts.some((part) => part.kind === 'constant' && part.truth !== true)) return { kind: 'constant', truth: false }
  return joinNodes('all', parts)
}

function conjuncts(node: Node): readonly Node[] {
  return node.kind === 'all' ? node.nodes.flatMap(conjuncts) : [node]
}
