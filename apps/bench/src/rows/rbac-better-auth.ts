import { createAccessControl } from 'better-auth/plugins/access'
import type { Peer } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import { type Check, resourcesOf } from './rbac-questions.ts'

const NAME = 'better-auth access'

// Only in `rbac.check`: its roles have actions, and no conditions on records. It binds no users, either: whoever asks finds the role, and its
// plugins' `hasPermission` finds it in the session or in the database, which would not be a check any more.

/** The role at hand, and what it is asked made before. */
export function betterAuthCheck(rules: number, all: readonly Check[]): Peer {
  const resources = resourcesOf(rules)
  const statements: Record<string, readonly string[]> = Object.fromEntries(resources.map((name) => [name, ['read', 'refund']]))
  const granted: Record<string, readonly string[]> = Object.fromEntries(resources.map((name) => [name, ['read']]))
  const role = createAccessControl(statements).newRole(granted)
  const asked = all.map(({ resource, action, allowed }) => ({ request: { [resource]: [action] }, allowed }))
  for (const { request, allowed } of asked) expectAnswer(NAME, role.authorize(request).success === allowed)
  return {
    name: NAME,
    run(iterations) {
      let allowed = 0
      for (let n = 0, i = 0; n < iterations; n++) {
        if (role.authorize((asked[i] as (typeof asked)[number]).request).success) allowed++
        if (++i === asked.length) i = 0
      }
      return allowed
    },
  }
}
