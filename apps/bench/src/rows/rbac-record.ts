import type { Principal } from '@portcullis/core'
import { type Access, defineAccess, type ResolvedPermission } from '@portcullis/rbac'
import { type Bench, compare, type Peer } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import type { Subject } from '../harness.ts'
import { accesscontrolBind, accesscontrolRecord } from './rbac-accesscontrol.ts'
import { casbinRecord } from './rbac-casbin.ts'
import { caslBind, caslRecord } from './rbac-casl.ts'
import { cedarBind, cedarRecord } from './rbac-cedar.ts'
import { growthOf } from './rbac-growth.ts'
import { caller, type Question, questions, resourcesOf } from './rbac-questions.ts'

const PAIRS = 50
const MANY_PAIRS = 500

/** A role with so many rules, each for a resource of its own: whose record it is, in whose tenant. */
function accessOf(rules: number): Access {
  const names = resourcesOf(rules)
  const resources = Object.fromEntries(names.map((name) => [name, ['update'] as const]))
  const fields = Object.fromEntries(names.map((name) => [name, { createdBy: 'string' as const }]))
  const allow = names.map((name) => ({ permission: `${name}:update` as const, when: { owner: 'createdBy' } as const }))
  return defineAccess({ resources, fields, roles: { clerk: { allow } } })
}

function recordSubject(rules: number, pairs: number): Subject {
  const all = questions(rules, pairs)
  const access = accessOf(rules)
  const bound = access.bind(caller)
  const permissions = all.map(({ resource }) => access.permission(`${resource}:update`))
  for (const [n, { record, allowed }] of all.entries()) {
    expectAnswer('rbac', bound.can(permissions[n] as ResolvedPermission, record) === allowed)
  }
  return {
    name: 'ours',
    run(iterations) {
      let allowed = 0
      for (let n = 0, i = 0; n < iterations; n++) {
        if (bound.can(permissions[i] as ResolvedPermission, (all[i] as Question).record)) allowed++
        if (++i === all.length) i = 0
      }
      return allowed
    },
  }
}

async function peersOf(rules: number, pairs: number, target: number): Promise<readonly Peer[]> {
  const all = questions(rules, pairs)
  return [
    caslRecord(rules, all, target),
    await casbinRecord(rules, all),
    cedarRecord(rules, all),
    accesscontrolRecord(rules, all),
  ]
}

/** "May this one": ownership and tenant, with the user bound before. */
export const rbacRecord: Bench = {
  name: 'rbac.record',
  async run(options) {
    const few = await compare('rbac.record.50', recordSubject(50, PAIRS), await peersOf(50, PAIRS, 3), options)
    const many = await compare('rbac.record.5000', recordSubject(5_000, MANY_PAIRS), await peersOf(5_000, MANY_PAIRS, 6), options)
    const { flat, growth } = await growthOf('rbac.record', (rules) => recordSubject(rules, PAIRS), options)
    return { rows: [...few, ...many, flat], growth: [growth] }
  },
}

const BIND_RULES = 500
const record = { tenant: 'acme', createdBy: 'u1' }

/** Two in turns: the last one is kept, and must not be what is timed. */
const callers: readonly (Principal & { readonly tenant: string; readonly roles: string[] })[] = [
  { ...caller, roles: ['clerk'] },
  { ...caller, tenant: 'globex', roles: ['clerk', 'other'] },
]

function bindSubject(rules: number): Subject {
  const access = accessOf(rules)
  const permission = access.permission('r7:update')
  for (const one of callers) expectAnswer('rbac', access.bind(one).can(permission, record) === (one.tenant === record.tenant))
  return {
    name: 'ours',
    run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) {
        if (access.bind(callers[n & 1] as Principal).can(permission, record)) allowed++
      }
      return allowed
    },
  }
}

/** A user whose roles are known, and one check: what the first question of a request pays. */
export const rbacBind: Bench = {
  name: 'rbac.bind',
  async run(options) {
    const peers = [
      caslBind(BIND_RULES, record, 50),
      cedarBind(BIND_RULES, record, callers),
      accesscontrolBind(BIND_RULES, record, callers),
    ]
    const rows = await compare('rbac.bind', bindSubject(BIND_RULES), peers, options)
    const { flat, growth } = await growthOf('rbac.bind', bindSubject, options)
    return { rows: [...rows, flat], growth: [growth] }
  },
}
