import { type Access, defineAccess, type ResolvedPermission } from '@portcullis/rbac'
import { type Bench, compare, type Peer } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import type { Subject } from '../harness.ts'
import { accesscontrolCheck } from './rbac-accesscontrol.ts'
import { betterAuthCheck } from './rbac-better-auth.ts'
import { casbinCached, casbinCheck } from './rbac-casbin.ts'
import { caslCheck } from './rbac-casl.ts'
import { cedarCheck } from './rbac-cedar.ts'
import { growthOf } from './rbac-growth.ts'
import { type Check, caller, checks, resourcesOf } from './rbac-questions.ts'

const RULES = 50
const PAIRS = 50
const MANY_RULES = 5_000
const MANY_PAIRS = 500
const CASBIN_POLICIES = 1_000

interface Ours {
  readonly access: Access
  readonly permissions: readonly ResolvedPermission[]
}

/** As many rules as asked for, each granting one permission, and as many permissions that nothing grants. */
function ours(rules: number, all: readonly Check[]): Ours {
  const names = resourcesOf(rules)
  const access: Access = defineAccess({
    resources: Object.fromEntries(names.map((name) => [name, ['read', 'refund'] as const])),
    roles: { clerk: { allow: names.map((name) => `${name}:read` as const) } },
  })
  return { access, permissions: all.map(({ resource, action }) => access.permission(`${resource}:${action}`)) }
}

/** The user was bound when he was authenticated, as a CASL ability is built then; what is timed is the check. */
function boundSubject(rules: number, pairs: number): Subject {
  const all = checks(rules, pairs)
  const { access, permissions } = ours(rules, all)
  const bound = access.bind(caller)
  for (const [n, check] of all.entries()) {
    expectAnswer('rbac', bound.allows(permissions[n] as ResolvedPermission) === check.allowed)
  }
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
function principalSubject(rules: number, pairs: number): Subject {
  const all = checks(rules, pairs)
  const { access, permissions } = ours(rules, all)
  for (const [n, check] of all.entries()) {
    expectAnswer('rbac', access.decideSome(caller, permissions[n] as ResolvedPermission).allowed === check.allowed)
  }
  return {
    name: 'ours',
    run(iterations) {
      let allowed = 0
      for (let n = 0, i = 0; n < iterations; n++) {
        if (access.decideSome(caller, permissions[i] as ResolvedPermission).allowed) allowed++
        if (++i === permissions.length) i = 0
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
  for (const [n, { allowed }] of all.entries()) {
    expectAnswer('bitset', has(places[n] as { word: number; mask: number }) === allowed)
  }
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

/** Each in its fastest documented way; those that answer from the principal at every call do so in every row. */
async function peersOf(
  rules: number,
  all: readonly Check[],
  policies: number,
  targets: { readonly casl?: number; readonly casbin?: number },
): Promise<readonly Peer[]> {
  return [
    caslCheck(rules, all, targets.casl),
    await casbinCheck(rules, policies, all, targets.casbin),
    await casbinCached(rules, policies, all),
    cedarCheck(rules, all),
    accesscontrolCheck(rules, all),
    betterAuthCheck(rules, all),
  ]
}

/** "May some" of a role with 50 rules, and with 5,000, permissions resolved before, half of the checks denied. */
export const rbacCheck: Bench = {
  name: 'rbac.check',
  async run(options) {
    const all = checks(RULES, PAIRS)
    const few = await peersOf(RULES, all, CASBIN_POLICIES, { casl: 3, casbin: 5_000 })
    const many = await peersOf(MANY_RULES, checks(MANY_RULES, MANY_PAIRS), MANY_RULES, {})
    const bound = await compare('rbac.check', boundSubject(RULES, PAIRS), [...few, bitset(all, 0.25)], options)
    const whole = await compare('rbac.check.principal', principalSubject(RULES, PAIRS), [...few, bitset(all)], options)
    const large = await compare('rbac.check.5000', boundSubject(MANY_RULES, MANY_PAIRS), many, options)
    const grown = await growthOf('rbac.check', (rules) => boundSubject(rules, PAIRS), options)
    const wholeGrown = await growthOf('rbac.check.principal', (rules) => principalSubject(rules, PAIRS), options)
    return {
      rows: [...bound, ...whole, ...large, grown.flat, wholeGrown.flat],
      growth: [grown.growth, wholeGrown.growth],
    }
  },
}
