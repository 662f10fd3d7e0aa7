import { type Asker, evaluate, type Node, readField } from './condition-node.ts'
import { describeCondition, traceCondition } from './condition-text.ts'
import { type AccessReason, decision, freezeRule, type RecordDecision, type RuleTrace, reason } from './decision.ts'
import { deniedBy, describe, type Grants, outsideTime, type PermissionRules } from './grants.ts'
import type { ResolvedPermission } from './permission.ts'
import type { ReachedRule } from './role.ts'
import { isInTime } from './rule.ts'

/** From JavaScript, a record that was not found may be asked about. */
export function isRecord(record: unknown): record is object {
  return typeof record === 'object' && record !== null
}

/** @param tenant the one that the caller acts in */
export function isOwnTenant(tenant: string | undefined, record: object): boolean {
  return isTenant(tenant) && tenantOf(record) === tenant
}

/** {@link readField} of `tenant`, by its name, which is much faster: every question about a record asks for it. */
function tenantOf(record: { readonly tenant?: unknown }): unknown {
  const { tenant } = record
  // What stands on Object.prototype is not the record's; there is none unless somebody polluted it.
  return tenant === undefined || tenant !== POLLUTED.tenant ? tenant : readField(record, 'tenant')
}

const POLLUTED: { readonly tenant?: unknown } = Object.prototype

function isTenant(tenant: unknown): tenant is string {
  return typeof tenant === 'string' && tenant !== ''
}

/** Whether a rule that allows reaches a record's tenant. A record without one is nobody's, also for those who reach every tenant. */
function reachesTenant(reached: ReachedRule, { principal }: Asker, record: object): boolean {
  return reached.crossTenant ? isTenant(tenantOf(record)) : isOwnTenant(principal.tenant, record)
}

/** Whether the rules allow it on this record: {@link decideByRules} without the reason. */
export function testRules({ allows, denies }: PermissionRules, asker: Asker, record: object): boolean {
  for (const reached of denies) if (deniesRecord(reached, asker, record)) return false
  for (const reached of allows) if (allowsRecord(reached, asker, record)) return true
  return false
}

/** Whether one rule that allows does so on this record. */
export function allowsRecord(reached: ReachedRule, asker: Asker, record: object): boolean {
  const { rule } = reached
  if (!isNow(rule, asker) || !reachesTenant(reached, asker, record)) return false
  return rule.when === undefined || evaluate(rule.when, asker, record) === true
}

/** Whether one rule that denies does so on this record, or may do so: what is not known is denied. */
export function deniesRecord({ rule }: ReachedRule, asker: Asker, record: object): boolean {
  return isNow(rule, asker) && (rule.when === undefined || evaluate(rule.when, asker, record) !== false)
}

/** Most rules have no times, and then the clock is not asked. */
function isNow(rule: ReachedRule['rule'], { clock }: Asker): boolean {
  return (rule.from === undefined && rule.until === undefined) || isInTime(rule, clock.now())
}

/** The rules' decision on one record, with what each of them came to. */
export function decideByRules(
  permission: ResolvedPermission,
  asker: Asker,
  record: object,
  grants: Grants,
  { allows, denies }: PermissionRules,
): RecordDecision {
  const deniesTraced = denies.map((reached) => trace('deny', reached, asker, record))
  const allowsTraced = allows.map((reached) => trace('allow', reached, asker, record))
  const considered = [...deniesTraced, ...allowsTraced]
  const answer = (allowed: boolean, why: AccessReason) => decision('record', allowed, permission.name, why, considered)

  const denied = deniesTraced.findIndex(({ applies }) => applies)
  const denial = denies[denied]
  if (denial !== undefined) return answer(false, deniedBy(denial.way, permission, tail(denial.rule.when)))
  const allowed = allows[allowsTraced.findIndex(({ applies }) => applies)]
  if (allowed !== undefined) return answer(true, grants.granted(permission, allowed.way, false))
  return answer(false, whyNone(permission, asker, record, allows, allowsTraced))
}

/** The term that failed last: of several rules, that of the one that came nearest. */
function whyNone(
  permission: ResolvedPermission,
  { principal }: Asker,
  record: object,
  allows: readonly ReachedRule[],
  traced: readonly RuleTrace[],
): AccessReason {
  const near = allows.find((_, at) => traced[at]?.inTime && traced[at]?.inTenant)
  if (near !== undefined) {
    return reason(
      'rbac.condition_unmet',
      () => `${describe(near.way, 'grants', permission)} only${tail(near.rule.when).slice(1)}`,
      near.way,
    )
  }
  const [late] = allows
  if (late === undefined || traced.some(({ inTime }) => inTime)) return refusedTenant(principal.tenant, record)
  return outsideTime(late.way, permission)
}

function tail(when: Node | undefined): string {
  return when === undefined ? '' : `, where ${describeCondition(when)}`
}

function trace(effect: 'allow' | 'deny', reached: ReachedRule, asker: Asker, record: object): RuleTrace {
  const { rule } = reached
  const inTime = isNow(rule, asker)
  // What denies does so in every tenant.
  const inTenant = effect === 'deny' || reachesTenant(reached, asker, record)
  const asked = rule.when !== undefined && inTime && inTenant ? traceCondition(rule.when, asker, record) : undefined
  const met = rule.when === undefined || (effect === 'deny' ? asked?.truth !== false : asked?.truth === true)
  return Object.freeze({
    effect,
    rule: freezeRule(reached.way),
    applies: inTime && inTenant && met,
    inTime,
    inTenant,
    ...(asked === undefined ? {} : { condition: asked.trace }),
  })
}

/** @param tenant the one that the caller acts in */
export function refusedTenant(tenant: string | undefined, record: object | undefined): AccessReason {
  const theirs = record && tenantOf(record)
  if (!isTenant(tenant)) return reason('rbac.tenant_missing', () => 'the caller acts in no tenant')
  if (!isTenant(theirs)) return reason('rbac.tenant_missing', () => 'the record names no tenant')
  return reason(
    'rbac.tenant_mismatch',
    () => `the record is of tenant ${JSON.stringify(theirs)}, the caller acts in ${JSON.stringify(tenant)}`,
  )
}
