import { createMongoAbility, subject } from '@casl/ability'
import type { Peer } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import { type Check, caller, type OwnedRecord, type Question, resourcesOf } from './rbac-questions.ts'

const NAME = '@casl/ability'

/** Its ability is built before: what is timed is the check. */
export function caslCheck(rules: number, all: readonly Check[], target?: number): Peer {
  const ability = createMongoAbility(resourcesOf(rules).map((resource) => ({ action: 'read', subject: resource })))
  for (const { action, resource, allowed } of all) expectAnswer(NAME, ability.can(action, resource) === allowed)
  return {
    name: NAME,
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

function recordRules(rules: number): { action: string; subject: string; conditions: object }[] {
  const conditions = { tenant: caller.tenant, createdBy: caller.subject }
  return resourcesOf(rules).map((resource) => ({ action: 'update', subject: resource, conditions }))
}

/** Records carry their type before, too. */
export function caslRecord(rules: number, all: readonly Question[], target: number): Peer {
  const ability = createMongoAbility(recordRules(rules))
  const typed = all.map(({ resource, record, allowed }) => ({ record: subject(resource, { ...record }), allowed }))
  for (const { record, allowed } of typed) expectAnswer(NAME, ability.can('update', record) === allowed)
  return {
    name: NAME,
    target,
    run(iterations) {
      let allowed = 0
      for (let n = 0, i = 0; n < iterations; n++) {
        if (ability.can('update', (typed[i] as (typeof typed)[number]).record)) allowed++
        if (++i === typed.length) i = 0
      }
      return allowed
    },
  }
}

/** A user's ability is made of rules in which he stands himself, and indexed when it is made. */
export function caslBind(rules: number, record: OwnedRecord, target: number): Peer {
  const given = recordRules(rules)
  const asked = subject('r7', { ...record })
  expectAnswer(NAME, createMongoAbility(given).can('update', asked))
  return {
    name: NAME,
    target,
    run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) if (createMongoAbility(given).can('update', asked)) allowed++
      return allowed
    },
  }
}
