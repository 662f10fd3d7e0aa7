import { createMongoAbility, subject } from '@casl/ability'
import type { Principal } from '@portcullis/core'
import { type Access, type AccessRecord, defineAccess, type ResolvedPermission } from '@portcullis/rbac'
import { type Bench, compare, type Peer, speedOf } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import type { Subject } from '../harness.ts'

const principal: Principal = { subject: 'u1', kind: 'user', tenant: 'acme', roles: ['clerk'] }

/** A question about one record, with its right answer. */
interface Question {
  readonly resource: `r${string}`
  readonly record: AccessRecord & { readonly tenant: string; readonly createdBy: string }
  readonly allowed: boolean
}

/** One of each rule's resource: the caller's own record, another's, and half of those of another tenant. */
function questions(rules: number): readonly Question[] {
  return Array.from({ length: Math.min(rules, 500) * 2 }, (_, n) => {
    const allowed = n % 2 === 0
    const foreign = n % 4 === 3
    const record = { tenant: foreign ? 'globex' : 'acme', createdBy: allowed || foreign ? 'u1' : 'u2' }
    return { resource: `r${(n >> 1) % rules}`, record, allowed }
  })
}

/** A role with so many rules, each for a resource of its own: whose record it is, in whose tenant. */
function accessOf(rules: number): Access {
  const names = Array.from({ length: rules }, (_, n) => `r${n}` as const)
  const resources = Object.fromEntries(names.map((name) => [name, ['update'] as const]))
  const fields = Object.fromEntries(names.map((name) => [name, { createdBy: 'string' as const }]))
  const allow = names.map((name) => ({ permission: `${name}:update` as const, when: { owner: 'createdBy' } as const }))
  return defineAccess({ resources, fields, roles: { clerk: { allow } } })
}

function recordSubject(rules: number): Subject {
  const all = questions(rules)
  const access = accessOf(rules)
  const bound = access.bind(principal)
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

function caslRules(rules: number): { action: string; subject: string; conditions: object }[] {
  const conditions = { tenant: principal.tenant, createdBy: principal.subject }
  return Array.from({ length: rules }, (_, n) => ({ action: 'update', subject: `r${n}`, conditions }))
}

function caslRecord(rules: number, target: number): Peer {
  const ability = createMongoAbility(caslRules(rules))
  const all = questions(rules).map(({ resource, record, allowed }) => ({ record: subject(resource, { ...record }), allowed }))
  for (const { record, allowed } of all) expectAnswer('@casl/ability', ability.can('update', record) === allowed)
  return {
    name: '@casl/ability',
    target,
    run(iterations) {
      let allowed = 0
      for (let n = 0, i = 0; n < iterations; n++) {
        if (ability.can('update', (all[i] as (typeof all)[number]).record)) allowed++
        if (++i === all.length) i = 0
      }
      return allowed
    },
  }
}

/** "May this one": ownership and tenant, with the user bound before. */
export const rbacRecord: Bench = {
  name: 'rbac.record',
  async run(options) {
    const few = await compare('rbac.record.50', recordSubject(50), [caslRecord(50, 3)], options)
    const many = await compare('rbac.record.5000', recordSubject(5_000), [caslRecord(5_000, 6)], options)
    const growth: { size: number; ours: number }[] = []
    for (const size of [50, 500, 5_000]) growth.push({ size, ours: Math.round(await speedOf(recordSubject(size), options)) })
    return { rows: [...few, ...many], growth: [{ bench: 'rbac.record', unit: 'ops/s', size: 'rules', growth }] }
  },
}

const BIND_RULES = 500

/** A user whose roles are known, and one check: what the first question of a request pays. */
export const rbacBind: Bench = {
  name: 'rbac.bind',
  async run(options) {
    const access = accessOf(BIND_RULES)
    const permission = access.permission('r7:update')
    const record = { tenant: 'acme', createdBy: 'u1' }
    // Two in turns: the last one is kept, and must not be what is timed.
    const callers = [principal, { ...principal, tenant: 'globex', roles: ['clerk', 'other'] }]
    expectAnswer('rbac', access.can(principal, permission, record))
    const ours: Subject = {
      name: 'ours',
      run(iterations) {
        let allowed = 0
        for (let n = 0; n < iterations; n++) {
          if (access.bind(callers[n & 1] as Principal).can(permission, record)) allowed++
        }
        return allowed
      },
    }
    const rules = caslRules(BIND_RULES)
    const asked = subject('r7', { ...record })
    expectAnswer('@casl/ability', createMongoAbility(rules).can('update', asked))
    const casl: Peer = {
      name: '@casl/ability',
      target: 50,
      run(iterations) {
        let allowed = 0
        for (let n = 0; n < iterations; n++) if (createMongoAbility(rules).can('update', asked)) allowed++
        return allowed
      },
    }
    return { rows: await compare('rbac.bind', ours, [casl], options) }
  },
}
