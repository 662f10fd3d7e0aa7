import { addBit, type Bits } from './bits.ts'
import { hasFunction, type Node } from './condition-node.ts'
import { type ConditionNames, parseCondition, type UnknownNames } from './condition-parse.ts'
import { ownMembers } from './definition.ts'
import { AccessError } from './errors.ts'
import type { PermissionTable, ResolvedPermission } from './permission.ts'
import type { FieldsInReach, Schema } from './schema.ts'

/** A rule of a role, checked. */
export interface CompiledRule {
  readonly effect: 'allow' | 'deny'
  /** The permission as written: `invoice:read`, `invoice:*` or `*`. */
  readonly pattern: string
  readonly when: Node | undefined
  /** Milliseconds since the epoch. */
  readonly from: number | undefined
  /** Milliseconds since the epoch. */
  readonly until: number | undefined
  readonly readable: ReadonlySet<string> | undefined
  readonly writable: ReadonlySet<string> | undefined
}

/** The rules of one list of a role. */
export interface RuleList {
  readonly rules: ReadonlyMap<ResolvedPermission, readonly CompiledRule[]>
  /** What is decided without asking for the time: granted on some record at least, or denied on all. */
  readonly bits: Bits
  /** What has a rule that may decide so at other times. */
  readonly timed: Bits
}

/** What lists of rules are checked against, and what is found wrong with all of them. */
export interface RuleNames {
  readonly table: PermissionTable
  readonly schema: Schema
  readonly unknownPermissions: { readonly name: string; readonly place: string }[]
  readonly unknown: UnknownNames
  /** Conditions by what they say: many rules have the same one, and then share it. */
  readonly conditions: Map<string, Node>
}

/** @throws AccessError `rbac.definition_invalid`, `rbac.condition_invalid` */
export function compileRules(names: RuleNames, effect: 'allow' | 'deny', place: string, written: unknown): RuleList {
  const rules = new Map<ResolvedPermission, CompiledRule[]>()
  const bits = names.table.none()
  const timed = names.table.none()
  if (written !== undefined && !Array.isArray(written)) throw new AccessError('rbac.definition_invalid', `${place} is not a list`)
  for (const [index, item] of (written ?? []).entries()) {
    for (const [permissions, rule] of readRule(names, effect, place, index, item)) {
      for (const permission of permissions) {
        const others = rules.get(permission)
        if (others === undefined) rules.set(permission, [rule])
        else others.push(rule)
        if (!decides(rule)) continue
        addBit(rule.from === undefined && rule.until === undefined ? bits : timed, permission)
      }
    }
  }
  return { rules, bits, timed }
}

/** Whether, in its time, a rule decides "may some": one that allows does on whatever records, one that denies only on all. */
function decides(rule: CompiledRule): boolean {
  return rule.effect === 'allow' || (rule.when === undefined && !isAboutFields(rule))
}

/** Whether a rule denies fields, and not the permission. */
export function isAboutFields({ effect, readable, writable }: CompiledRule): boolean {
  return effect === 'deny' && (readable !== undefined || writable !== undefined)
}

/** @param now milliseconds since the epoch */
export function isInTime({ from, until }: CompiledRule, now: number): boolean {
  return (from === undefined || now >= from) && (until === undefined || now < until)
}

function readRule(
  names: RuleNames,
  effect: 'allow' | 'deny',
  list: string,
  index: number,
  item: unknown,
): readonly (readonly [permissions: readonly ResolvedPermission[], rule: CompiledRule])[] {
  if (typeof item === 'string') return expand(names, list, [item]).map(([pattern, found]) => [found, ruleOf(effect, pattern, {})])
  if (typeof item !== 'object' || item === null) {
    throw new AccessError('rbac.definition_invalid', `${list} holds something that is no permission and no rule`)
  }
  const place = `${list}[${index}]`
  const members = ownMembers(place, item, ['permission', 'when', 'from', 'until', 'readable', 'writable'])
  const patterns = typeof members.permission === 'string' ? [members.permission] : members.permission
  if (!Array.isArray(patterns) || patterns.length === 0 || !patterns.every((pattern) => typeof pattern === 'string')) {
    throw new AccessError('rbac.definition_invalid', `${place} names no permission`)
  }
  const expanded = expand(names, place, patterns)
  const fields = names.schema.inReach(expanded.flatMap(([, found]) => found))
  // Of permissions that are not known, no field can be.
  const reach = expanded.length < patterns.length ? ANY_FIELD : fields
  const conditions: ConditionNames = { fields: reach, attributes: names.schema.attributes, unknown: names.unknown }
  const from = readTime(`${place}.from`, members.from)
  const until = readTime(`${place}.until`, members.until)
  if (from !== undefined && until !== undefined && from >= until) {
    throw new AccessError('rbac.definition_invalid', `${place} ends before it begins`)
  }
  const rule = {
    when: members.when === undefined ? undefined : shared(names, parseCondition(`${place}.when`, members.when, conditions)),
    from,
    until,
    readable: readFields(`${place}.readable`, members.readable, reach, names.unknown),
    writable: readFields(`${place}.writable`, members.writable, reach, names.unknown),
  }
  if (rule.writable?.has('tenant') && effect === 'allow') {
    throw new AccessError('rbac.field_unknown', `${place}.writable names tenant, which nobody may write`, ['tenant'])
  }
  return expanded.map(([pattern, found]) => [found, ruleOf(effect, pattern, rule)])
}

/**
 * Every rule with the same members in the same order, and by no spread: to the engine each way of making one is another kind of object,
 * and with many kinds each look at a record's rules took three times as long (`rbac.record` in the bench).
 */
function ruleOf(
  effect: 'allow' | 'deny',
  pattern: string,
  { when, from, until, readable, writable }: Partial<CompiledRule>,
): CompiledRule {
  return { effect, pattern, when, from, until, readable, writable }
}

/** The same object for the same condition: fewer places in memory to look at, when the rules are many. */
function shared({ conditions }: RuleNames, node: Node): Node {
  if (hasFunction(node)) return node
  const key = JSON.stringify(node)
  const kept = conditions.get(key) ?? node
  conditions.set(key, kept)
  return kept
}

function expand(
  { table, unknownPermissions }: RuleNames,
  place: string,
  patterns: readonly string[],
): readonly (readonly [pattern: string, permissions: readonly ResolvedPermission[]])[] {
  return patterns.flatMap((pattern) => {
    const found = table.expand(pattern)
    if (found !== undefined) return [[pattern, found] as const]
    unknownPermissions.push({ name: pattern, place })
    return []
  })
}

const ANY_FIELD: FieldsInReach = { names: [], typeOf: () => 'string' }

function readFields(
  place: string,
  written: unknown,
  fields: FieldsInReach,
  unknown: UnknownNames,
): ReadonlySet<string> | undefined {
  if (written === undefined) return undefined
  if (written === '*') return new Set(fields.names.filter((field) => field !== 'tenant'))
  if (!Array.isArray(written) || !written.every((field) => typeof field === 'string')) {
    throw new AccessError('rbac.definition_invalid', `${place} is neither * nor a list of fields`)
  }
  for (const field of written) if (fields.typeOf(field) === undefined) unknown.add('field', field, place)
  return new Set(written)
}

const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/

/** RFC 3339 §5.6, with capital letters. @returns milliseconds since the epoch */
function readTime(place: string, written: unknown): number | undefined {
  if (written === undefined) return undefined
  const [, year, month, day] = (typeof written === 'string' && RFC3339.exec(written)) || []
  const time = typeof written === 'string' ? Date.parse(written) : Number.NaN
  // `Date.parse` takes 30 February for 2 March.
  const exists = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day)
  if (!Number.isFinite(time) || !exists) {
    throw new AccessError('rbac.definition_invalid', `${place} is no RFC 3339 time with an offset from UTC`)
  }
  return time
}
