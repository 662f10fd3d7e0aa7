import { AccessControl } from 'accesscontrol'
import type { Peer } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import { type Check, caller, type OwnedRecord, type Question, resourcesOf } from './rbac-questions.ts'

const NAME = 'accesscontrol'

// By `check`, its way in one call; what it is asked is made before. It binds no users: roles and the user are part of every call.

export function accesscontrolCheck(rules: number, all: readonly Check[]): Peer {
  const resources = resourcesOf(rules).map((resource) => [resource, { read: [{ attributes: ['*'] }] }])
  const ac = new AccessControl({ clerk: Object.fromEntries(resources) })
  ac.lock()
  const asked = all.map(({ resource, action, allowed }) => ({ query: { role: 'clerk', action, resource }, allowed }))
  for (const { query, allowed } of asked) expectAnswer(NAME, ac.check(query).granted === allowed)
  return {
    name: NAME,
    run(iterations) {
      let allowed = 0
      for (let n = 0, i = 0; n < iterations; n++) {
        if (ac.check((asked[i] as (typeof asked)[number]).query).granted) allowed++
        if (++i === asked.length) i = 0
      }
      return allowed
    },
  }
}

/** The context of a call. */
interface Context {
  readonly user: { readonly id: string; readonly tenant: string }
  readonly record: OwnedRecord
}

/** Rules for `own` records, and a function that says which those are: its conditions, which are data as ours are, take ten times as long. */
function recordAccess(rules: number): AccessControl {
  const owner = (context: unknown): boolean => {
    const { user, record } = context as Context
    return record.createdBy === user.id && record.tenant === user.tenant
  }
  const resources = resourcesOf(rules).map((resource) => [resource, { update: [{ attributes: ['*'], possession: 'own' }] }])
  const ac = new AccessControl({ clerk: Object.fromEntries(resources), other: {} }, { policy: { owner } })
  ac.lock()
  return ac
}

export function accesscontrolRecord(rules: number, all: readonly Question[]): Peer {
  const ac = recordAccess(rules)
  const user = { id: caller.subject, tenant: caller.tenant }
  const asked = all.map(({ resource, record, allowed }) => ({
    query: { role: 'clerk', action: 'update:own', resource, context: { user, record } },
    allowed,
  }))
  for (const { query, allowed } of asked) expectAnswer(NAME, ac.check(query).granted === allowed)
  return {
    name: NAME,
    run(iterations) {
      let allowed = 0
      for (let n = 0, i = 0; n < iterations; n++) {
        if (ac.check((asked[i] as (typeof asked)[number]).query).granted) allowed++
        if (++i === asked.length) i = 0
      }
      return allowed
    },
  }
}

/** The caller's roles and attributes, and all asked at once. */
export function accesscontrolBind(
  rules: number,
  record: OwnedRecord,
  callers: readonly { tenant: string; roles: string[] }[],
): Peer {
  const ac = recordAccess(rules)
  const ask = ({ tenant, roles }: { tenant: string; roles: string[] }) => {
    const context = { user: { id: caller.subject, tenant }, record }
    return ac.check({ role: roles, action: 'update:own', resource: 'r7', context }).granted
  }
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
