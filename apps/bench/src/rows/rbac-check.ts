import { createMongoAbility } from '@casl/ability'
import type { Principal } from '@portcullis/core'
import { type Access, defineAccess, type ResolvedPermission } from '@portcullis/rbac'
import { newEnforcer, newModelFromString } from 'casbin'
import { type Bench, compare, type Peer, speedOf } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import type { Subject } from '../harness.ts'

const RULES = 50
const CASBIN_POLICIES = 1_000

/** A check, with its right answer: the first half of the actions is granted, the second is not. */
interface Check {
  readonly resource: `r${string}`
  readonly action: 'read' | 'refund'
  readonly name: `r${string}:${'read' | 'refund'}`
  readonly allowed: boolean
}

const principal: Principal = { subject: 'u1', kind: 'user', tenant: 'acme', roles: ['half'] }

/** As many rules as asked for, each granting one permission, and as many permissions that nothing grants. */
function checks(rules: number): readonly Check[] {
  return Array.from({ length: rules * 2 }, (_, n) => {
    const action = n % 2 === 0 ? 'read' : 'refund'
    return { resource: `r${n >> 1}`, action, name: `r${n >> 1}:${action}`, allowed: n % 2 === 0 }
  })
}

interface Ours {
  readonly access: Access
  readonly permissions: readonly ResolvedPermission[]
}

function ours(all: readonly Check[]): Ours {
  const resources: Record<`r${string}`, readonly ('read' | 'refund')[]> = {}
  for (const { resource } of all) resources[resource] = ['read', 'refund']
  const allow = all.filter(({ allowed }) => allowed).map(({ name }) => name)
  const access: Access = defineAccess({ resources, roles: { half: { allow } } })
  return { access, permissions: all.map(({ name }) => access.permission(name)) }
}

function at<T>(list: readonly T[], n: number): T {
  return list[n % list.length] as T
}

/** The user was bound when he was authenticated, as a CASL ability is built then; what is timed is the check. */
function boundSubject(all: readonly Check[]): Subject {
  const { access, permissions } = ours(all)
  const bound = access.bind(principal)
  for (const [n, check] of all.entries()) expectAnswer('rbac', bound.allows(at(permissions, n)) === check.allowed)
  return {
    name: 'ours',
    run(iterations) {
      let allowed = 0
      for (let n = 0, i = 0; n < iterations; n++) {
        if (bound.allows(permissions[i] as ResolvedPermission)) allowed++
        if (++i === permissions.length) i = 0
      }
      return allowed
    },
  }
}

/** What `permit` does at a request: from the principal, with a reason. */
function principalSubject(all: readonly Check[]): Subject {
  const { access, permissions } = ours(all)
  for (const [n, check] of all.entries()) {
    expectAnswer('rbac', access.decideSome(principal, at(permissions, n)).allowed === check.allowed)
  }
  return {
    name: 'ours',
    run(iterations) {
      let allowed = 0
      for (let n = 0, i = 0; n < iterations; n++) {
        if (access.decideSome(principal, permissions[i] as ResolvedPermission).allowed) allowed++
        if (++i === permissions.length) i = 0
      }
      return allowed
    },
  }
}

function casl(all: readonly Check[], target?: number): Peer {
  const ability = createMongoAbility(
    all.filter(({ allowed }) => allowed).map(({ resource, action }) => ({ action, subject: resource })),
  )
  for (const { action, resource, allowed } of all) expectAnswer('@casl/ability', ability.can(action, resource) === allowed)
  return {
    name: '@casl/ability',
    ...(target === undefined ? {} : { target }),
    run(iterations) {
      let allowed = 0
      for (let n = 0, i = 0; n < iterations; n++) {
        const check = all[i] as Check
        if (ability.can(check.action, check.resource)) allowed++
        if (++i === all.length) i = 0
      }
      return allowed
    },
  }
}

const MODEL = `
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
`

/** Casbin by its synchronous way, the faster one, with the role's rules among as many others as the row says. */
async function casbin(all: readonly Check[], target?: number): Promise<Peer> {
  const enforcer = await newEnforcer(newModelFromString(MODEL))
  const granted = all.filter(({ allowed }) => allowed).map(({ resource, action }) => ['half', resource, action])
  const others = Array.from({ length: CASBIN_POLICIES - granted.length }, (_, n) => [`role${n}`, `other${n}`, 'read'])
  await enforcer.addPolicies([...others.slice(0, others.length >> 1), ...granted, ...others.slice(others.length >> 1)])
  await enforcer.addGroupingPolicy('u1', 'half')
  for (const { action, resource, allowed } of all) {
    expectAnswer('casbin', enforcer.enforceSync('u1', resource, action) === allowed)
  }
  return {
    name: 'casbin',
    ...(target === undefined ? {} : { target }),
    run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) {
        const check = at(all, n)
        if (enforcer.enforceSync('u1', check.resource, check.action)) allowed++
      }
      return allowed
    },
  }
}

/** The least there can be: a word, and a mask. */
function bitset(all: readonly Check[], target?: number): Peer {
  const words = new Uint32Array(Math.ceil(all.length / 32))
  for (const [n, { allowed }] of all.entries()) if (allowed) words[n >> 5] = (words[n >> 5] ?? 0) | (1 << (n & 31))
  const places = all.map((_, index) => ({ word: index >> 5, mask: 1 << (index & 31) }))
  const has = (place: { readonly word: number; readonly mask: number }): boolean => ((words[place.word] ?? 0) & place.mask) !== 0
  for (const [n, { allowed }] of all.entries()) expectAnswer('bitset', has(at(places, n)) === allowed)
  return {
    name: 'bitset (limit)',
    ...(target === undefined ? {} : { target }),
    run(iterations) {
      let allowed = 0
      for (let n = 0, i = 0; n < iterations; n++) {
        if (has(places[i] as { word: number; mask: number })) allowed++
        if (++i === places.length) i = 0
      }
      return allowed
    },
  }
}

/** "May some" of a role with 50 rules, permissions resolved before, half of the checks denied. */
export const rbacCheck: Bench = {
  name: 'rbac.check',
  async run(options) {
    const all = checks(RULES)
    const slow = await casbin(all, 5_000)
    const bound = await compare('rbac.check', boundSubject(all), [casl(all, 3), slow, bitset(all, 0.25)], options)
    const whole = await compare('rbac.check.principal', principalSubject(all), [casl(all, 3), slow, bitset(all)], options)
    const growth: { size: number; ours: number }[] = []
    for (const size of [RULES / 10, RULES, RULES * 10]) {
      growth.push({ size, ours: Math.round(await speedOf(boundSubject(checks(size)), options)) })
    }
    return { rows: [...bound, ...whole], growth: [{ bench: 'rbac.check', unit: 'ops/s', size: 'rules', growth }] }
  },
}
