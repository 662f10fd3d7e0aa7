import {
  type EntityJson,
  type EntityUidJson,
  preparsePolicySet,
  type StatefulAuthorizationCall,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs'
import type { Peer } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import { type Check, caller, fewOf, type OwnedRecord, type Question, resourcesOf } from './rbac-questions.ts'

const NAME = 'cedar-wasm'

// Policies are parsed before and kept by name, which is Cedar's fast way, and each call carries only the entities that it needs. It binds
// no users: who asks is part of every call. A schema would only add checks.

/** "May some" is a question about the resource as a whole: each is one entity. */
export function cedarCheck(rules: number, all: readonly Check[]): Peer {
  const id = `rbac.check.${rules}`
  keep(
    id,
    rules,
    (resource) => `permit(principal in Role::"clerk", action == Action::"read", resource == Resource::"${resource}");`,
  )
  const entities = [user(caller.subject, {}, ['clerk'])]
  const few = fewOf(all).map(({ resource, action, allowed }) => ({
    call: callOf(id, action, { type: 'Resource', id: resource }, entities),
    allowed,
  }))
  return peer(few)
}

/** Each resource is a type of entities, each record an entity with its attributes. */
export function cedarRecord(rules: number, all: readonly Question[]): Peer {
  const id = keepRecordPolicies(rules)
  const few = fewOf(all).map(({ resource, record, allowed }) => {
    const uid = { type: resource, id: '1' }
    const entities = [user(caller.subject, { tenant: caller.tenant }, ['clerk']), entity(uid, record)]
    return { call: callOf(id, 'update', uid, entities), allowed }
  })
  return peer(few)
}

/** The caller's entity is made of his roles, and all asked at once. */
export function cedarBind(rules: number, record: OwnedRecord, callers: readonly { tenant: string; roles: string[] }[]): Peer {
  const id = keepRecordPolicies(rules)
  const uid = { type: 'r7', id: '1' }
  const asked = entity(uid, record)
  const ask = ({ tenant, roles }: { tenant: string; roles: string[] }) =>
    isAllowed(callOf(id, 'update', uid, [user(caller.subject, { tenant }, roles), asked]))
  for (const one of callers) expectAnswer(NAME, ask(one) === (one.tenant === record.tenant))
  return {
    name: NAME,
    run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) if (ask(callers[n % callers.length] as (typeof callers)[number])) allowed++
      return allowed
    },
  }
}

function keepRecordPolicies(rules: number): string {
  const id = `rbac.record.${rules}`
  const condition = 'resource.tenant == principal.tenant && resource.createdBy == principal.id'
  const policy = (resource: string) =>
    `permit(principal in Role::"clerk", action == Action::"update", resource is ${resource}) when { ${condition} };`
  keep(id, rules, policy)
  return id
}

function keep(id: string, rules: number, policy: (resource: string) => string): void {
  const answer = preparsePolicySet(id, { staticPolicies: resourcesOf(rules).map(policy).join('\n') })
  expectAnswer(NAME, answer.type === 'success')
}

function entity(uid: EntityUidJson, attrs: EntityJson['attrs'], parents: EntityUidJson[] = []): EntityJson {
  return { uid, attrs, parents }
}

/** An entity's name is no attribute, so that one has to be. */
function user(id: string, attrs: EntityJson['attrs'], roles: readonly string[]): EntityJson {
  return entity(
    { type: 'User', id },
    { ...attrs, id },
    roles.map((role) => ({ type: 'Role', id: role })),
  )
}

function callOf(policies: string, action: string, resource: EntityUidJson, entities: EntityJson[]): StatefulAuthorizationCall {
  return {
    principal: { type: 'User', id: caller.subject },
    action: { type: 'Action', id: action },
    resource,
    context: {},
    preparsedPolicySetId: policies,
    entities,
  }
}

function isAllowed(call: StatefulAuthorizationCall): boolean {
  const answer = statefulIsAuthorized(call)
  return answer.type === 'success' && answer.response.decision === 'allow'
}

function peer(few: readonly { readonly call: StatefulAuthorizationCall; readonly allowed: boolean }[]): Peer {
  for (const { call, allowed } of few) {
    const answer = statefulIsAuthorized(call)
    // A policy that fails is skipped, and what comes of it is a denial, too.
    expectAnswer(NAME, answer.type === 'success' && answer.response.diagnostics.errors.length === 0)
    expectAnswer(NAME, isAllowed(call) === allowed)
  }
  let i = 0
  return {
    name: NAME,
    run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) {
        if (isAllowed((few[i] as (typeof few)[number]).call)) allowed++
        if (++i === few.length) i = 0
      }
      return allowed
    },
  }
}
