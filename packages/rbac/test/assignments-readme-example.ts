import { createMemoryStore, type Principal } from '@portcullis/core'
import { defineAccess } from '@portcullis/rbac'
import { createAssignments } from '@portcullis/rbac/assignments'

const roles = {
  viewer: { allow: ['invoice:read'] },
  accountant: { inherits: ['viewer'], allow: ['invoice:create'] },
  auditor: { inherits: ['viewer'], allow: ['audit:read'] },
  owner: { allow: ['*'] },
} as const
const access = defineAccess({ resources: { invoice: ['read', 'create'], audit: ['read'] }, roles })
const assignments = createAssignments({
  store: createMemoryStore(),
  access,
  hierarchy: roles,
  constraints: { static: [{ roles: ['accountant', 'auditor'] }] },
  mayAssign: async ({ by, held }) => by.kind === 'system' || (await held()).has('owner'),
})
const principal = (subject: string): Principal => ({ subject, kind: 'user', tenant: 'acme', roles: [] })
const [ada, grace] = [principal('ada'), principal('grace')]
const tenant = 'acme'

// A new tenant's first owner.
await assignments.assign({ tenant, holder: ada, roles: ['owner'], by: { kind: 'system', subject: 'sign-up' } })

// Grace keeps the books, so she does not audit them.
await assignments.assign({ tenant, holder: grace, roles: ['accountant'], by: ada })
const both = await assignments.assign({ tenant, holder: grace, roles: ['auditor'], by: ada })
console.log(both.ok || both.reason.code) // rbac.roles_exclusive

// For an hour she needs more. She asks; somebody else approves.
const asked = await assignments.request({ tenant, holder: grace, role: 'owner', by: grace, reason: 'month end', duration: 3600 })
console.log(asked.ok || asked.reason.code) // true
const id = asked.ok ? asked.assignment.id : ''
const own = await assignments.approve(id, { by: grace })
console.log(own.ok || own.reason.code) // rbac.own_request
await assignments.approve(id, { by: ada })

// In the `principal` of a session or a token's guard: what is held now, not what the token says.
const caller = await assignments.principal(grace)
console.log(caller.roles.join(), access.canSome(caller, 'audit:read')) // accountant,owner true
