import type { Principal } from '@portcullis/core'
import type { Access } from './access.ts'

/** The tenant of a caller and of a record that nobody has: so that every rule is looked at. */
const TENANT = 'tenant'

/**
 * On which records a permission is held, in words, where it is not every one of the caller's tenant: `where createdBy is the caller’s
 * subject`. The texts of two functions are alike, whatever they do.
 * @returns `undefined` for every record of the tenant, and where it is not held at all
 */
export function reachOf(
  access: Pick<Access, 'bind' | 'permission'>,
  principal: Principal,
  permission: string,
): string | undefined {
  const bound = access.bind({ ...principal, tenant: TENANT })
  const resolved = access.permission(permission)
  if (!bound.allows(resolved)) return undefined
  let considered: ReturnType<typeof bound.decide>['considered']
  try {
    considered = bound.decide(resolved, { tenant: TENANT }).considered
  } catch {
    // An application's own function, which met a caller of whom it knows nothing.
    return 'where a function says so'
  }
  if (considered === undefined) return undefined
  const told = (effect: 'allow' | 'deny'): readonly string[] => [
    ...new Set(
      (considered ?? [])
        .filter((one) => one.effect === effect && one.inTime)
        .map(({ rule, condition }) => {
          const where = condition === undefined ? '' : `where ${condition.text}`
          return [...(rule.crossTenant ? ['in every tenant'] : []), ...(where === '' ? [] : [where])].join(' ')
        }),
    ),
  ]
  const allows = told('allow')
  const denies = told('deny')
  // Nothing but a time, then, keeps the rule from being one for every record.
  if (denies.length === 0 && allows.length === 1 && allows[0] === '') return 'for a time'
  const granted = [...allows].sort().map((text) => text || 'in the tenant')
  return [granted.join(', or '), ...[...denies].sort().map((text) => `not ${text || 'at some times'}`)].join('; ')
}
