import { newCachedEnforcer, newEnforcer, newModelFromString } from 'casbin'
import type { Peer } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import { type Check, caller, fewOf, type Question, resourcesOf } from './rbac-questions.ts'

// Not in `rbac.bind`: casbin keeps who has which role in its policy, so that to bind a user is a write there.

/** What matches least often, and costs least, comes first: casbin evaluates a matcher once for each policy. */
function modelOf(request: string, matcher: string): ReturnType<typeof newModelFromString> {
  return newModelFromString(`
[request_definition]
r = ${request}
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = ${matcher}
`)
}

const CHECK = 'r.obj == p.obj && r.act == p.act && g(r.sub, p.sub)'
const RECORD =
  'r.rec.resource == p.obj && r.act == p.act && r.rec.createdBy == r.sub.id && r.rec.tenant == r.sub.tenant && g(r.sub.id, p.sub)'

/** The role's policies, in the middle of as many others as make up the number. */
function policiesOf(rules: number, policies: number, action: string): string[][] {
  const granted = resourcesOf(rules).map((resource) => ['clerk', resource, action])
  const others = Array.from({ length: policies - rules }, (_, n) => [`role${n}`, `other${n}`, action])
  return [...others.slice(0, others.length >> 1), ...granted, ...others.slice(others.length >> 1)]
}

/** By its synchronous way, which is faster than a promise for each check. */
export async function casbinCheck(rules: number, policies: number, all: readonly Check[], target?: number): Promise<Peer> {
  const enforcer = await newEnforcer(modelOf('sub, obj, act', CHECK))
  await enforcer.addPolicies(policiesOf(rules, policies, 'read'))
  await enforcer.addGroupingPolicy(caller.subject, 'clerk')
  const few = fewOf(all)
  for (const { action, resource, allowed } of few) {
    expectAnswer('casbin', enforcer.enforceSync(caller.subject, resource, action) === allowed)
  }
  let i = 0
  return {
    name: 'casbin',
    ...(target === undefined ? {} : { target }),
    run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) {
        const check = few[i] as Check
        if (enforcer.enforceSync(caller.subject, check.resource, check.action)) allowed++
        if (++i === few.length) i = 0
      }
      return allowed
    },
  }
}

/** Its answers kept by the words of the question: only its promises do so, and nothing takes an answer back when a policy changes. */
export async function casbinCached(rules: number, policies: number, all: readonly Check[]): Promise<Peer> {
  const enforcer = await newCachedEnforcer(modelOf('sub, obj, act', CHECK))
  await enforcer.addPolicies(policiesOf(rules, policies, 'read'))
  await enforcer.addGroupingPolicy(caller.subject, 'clerk')
  const few = fewOf(all)
  for (const { action, resource, allowed } of few) {
    expectAnswer('casbin, cached', (await enforcer.enforce(caller.subject, resource, action)) === allowed)
  }
  let i = 0
  return {
    name: 'casbin, cached',
    async run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) {
        const check = few[i] as Check
        if (await enforcer.enforce(caller.subject, check.resource, check.action)) allowed++
        if (++i === few.length) i = 0
      }
      return allowed
    },
  }
}

/** Its ABAC: the caller and the record are objects of the request. There is no cache for objects. */
export async function casbinRecord(rules: number, all: readonly Question[]): Promise<Peer> {
  const enforcer = await newEnforcer(modelOf('sub, rec, act', RECORD))
  await enforcer.addPolicies(policiesOf(rules, rules, 'update'))
  await enforcer.addGroupingPolicy(caller.subject, 'clerk')
  const sub = { id: caller.subject, tenant: caller.tenant }
  const few = fewOf(all).map(({ resource, record, allowed }) => ({ record: { ...record, resource }, allowed }))
  for (const { record, allowed } of few) expectAnswer('casbin', enforcer.enforceSync(sub, record, 'update') === allowed)
  let i = 0
  return {
    name: 'casbin',
    run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) {
        if (enforcer.enforceSync(sub, (few[i] as (typeof few)[number]).record, 'update')) allowed++
        if (++i === few.length) i = 0
      }
      return allowed
    },
  }
}
