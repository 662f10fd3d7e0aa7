import { createMemoryStore, type Principal } from '@portcullis/core'
import { createRelations } from '@portcullis/rbac/relations'

const relations = createRelations({
  store: createMemoryStore(),
  schema: {
    user: {},
    group: { member: { direct: ['user', 'group#member'] } },
    folder: { parent: { direct: ['folder'] }, viewer: { direct: ['user', 'group#member'], anyOf: ['viewer from parent'] } },
    document: {
      parent: { direct: ['folder'] },
      editor: { direct: ['user', 'group#member'] },
      viewer: { direct: ['user', 'group#member', 'user:*'], anyOf: ['editor', 'viewer from parent'] },
    },
  },
})
const tenant = 'acme'
const plan = { type: 'document', id: 'plan' } as const
const eng = { type: 'folder', id: 'eng' } as const
const staff = { type: 'group', id: 'staff' } as const
const user = (id: string) => ({ type: 'user', id }) as const

await relations.write({ tenant, object: plan, relation: 'parent', subject: eng })
await relations.write({ tenant, object: eng, relation: 'viewer', subject: { ...staff, relation: 'member' } })
await relations.write({ tenant, object: staff, relation: 'member', subject: user('grace') })

const decision = await relations.check({ tenant, object: plan, relation: 'viewer', subject: user('grace') })
console.log(decision.path.join(' → '))

// As a condition on a record, after `check` of the route's permission.
const isViewer = relations.related<{ id: string; tenant: string }>('document#viewer')
const grace: Principal = { subject: 'grace', kind: 'user', tenant: 'acme', roles: [] }
console.log(await isViewer(grace, { id: 'plan', tenant: 'acme' }), await isViewer(grace, { id: 'plan', tenant: 'globex' }))

const { ids } = await relations.list({ tenant, type: 'document', relation: 'viewer', subject: user('grace') })
console.log(ids.join())
