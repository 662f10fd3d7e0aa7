import { type Principal, type RequestView, requirePrincipal } from '@portcullis/core'
import { type Held, type Rules, resolve } from './bound.ts'
import type { Asker } from './condition-node.ts'
import { type AccessRecord, decision, type RecordDecision, type SomeDecision } from './decision.ts'
import { AccessError } from './errors.ts'
import { recordDecision } from './events.ts'
import {
  type FieldAccess,
  fieldsOf,
  type PickMode,
  type PickResult,
  type ProjectResult,
  pickFields,
  projectFields,
} from './fields.ts'
import { type AccessFilter, type AccessPrefilter, createFilter, createPrefilter } from './filter.ts'
import { RULES_STALE } from './guard.ts'
import type { ResolvedPermission } from './permission.ts'

/** The rules that hold now, and how far they can be relied on. */
export interface RulesInForce {
  readonly rules: Rules
  /** There is none where rules never change. `stale`: they may have changed. `unusable`: nobody may rely on them. */
  readonly age?: () => 'fresh' | 'stale' | 'unusable'
}

type Permission = string | ResolvedPermission

/** Questions about one principal, or about the caller of one request. */
export class Questions {
  readonly #inForce: RulesInForce
  readonly #asker: Asker
  #rules: Rules
  #held: Held

  constructor(inForce: RulesInForce, principal: Principal, request?: RequestView) {
    this.#inForce = inForce
    this.#asker = { principal, request, clock: inForce.rules.clock }
    this.#rules = inForce.rules
    this.#held = inForce.rules.bind(principal)
  }

  allows(permission: ResolvedPermission): boolean {
    return this.canSome(permission)
  }

  canSome(permission: Permission, record?: unknown): boolean {
    refuseRecord(record)
    return this.#inForce.age?.() !== 'unusable' && this.#current().canSome(permission)
  }

  decideSome(permission: Permission, record?: unknown): SomeDecision {
    refuseRecord(record)
    const age = this.#inForce.age?.() ?? 'fresh'
    const decided = this.#current().decideSome(permission)
    if (age === 'unusable') return decision('some', false, decided.permission, RULES_STALE)
    return age === 'stale' ? Object.freeze({ ...decided, stale: true }) : decided
  }

  can(permission: Permission, record: AccessRecord): boolean {
    if (this.#asker.request !== undefined && recordDecision.observed) return this.decide(permission, record).allowed
    if (this.#inForce.age?.() === 'unusable') return false
    return this.#current().can(this.#asker, permission, record)
  }

  decide(permission: Permission, record: AccessRecord): RecordDecision {
    const decided = this.#decide(permission, record)
    this.#publish(decided)
    return decided
  }

  filter(permission: Permission): AccessFilter {
    const resolved = this.#resolve(permission)
    return createFilter(resolved, this.#asker, this.#rulesOf(resolved))
  }

  prefilter(permission: Permission): AccessPrefilter {
    const resolved = this.#resolve(permission)
    return createPrefilter(resolved, this.#asker, this.#rulesOf(resolved))
  }

  fields(permission: Permission, record: AccessRecord): FieldAccess {
    return this.#fields(this.#decide(permission, record), record)
  }

  pick<Input extends object>(
    permission: Permission,
    record: AccessRecord,
    input: Input,
    options: { readonly unwritable?: PickMode } = {},
  ): PickResult<Input> {
    const decided = this.#decide(permission, record)
    const picked = pickFields(decided, this.#fields(decided, record), input, options.unwritable ?? 'refuse')
    this.#publish(picked.ok ? decided : { ...decided, allowed: false, reason: picked.reason })
    return picked
  }

  project<R extends AccessRecord>(permission: Permission, record: R): ProjectResult<R> {
    const decided = this.#decide(permission, record)
    this.#publish(decided)
    return projectFields(decided, this.#fields(decided, record), record)
  }

  #decide(permission: Permission, record: AccessRecord): RecordDecision {
    const age = this.#inForce.age?.() ?? 'fresh'
    const decided = this.#current().decide(this.#asker, permission, record)
    if (age === 'unusable') return decision('record', false, decided.permission, RULES_STALE)
    return age === 'stale' ? Object.freeze({ ...decided, stale: true }) : decided
  }

  #fields({ allowed, permission }: RecordDecision, record: AccessRecord): FieldAccess {
    return fieldsOf(allowed ? this.#rulesOf(this.#resolve(permission)) : undefined, this.#asker, record)
  }

  #publish({ permission, allowed, reason, stale }: RecordDecision): void {
    const { principal, request, clock } = this.#asker
    if (request === undefined || !recordDecision.observed) return
    const { subject, kind, tenant, clientId } = principal
    const data = { permission, allowed, reason, subject, kind, tenant, clientId, ...(stale && { stale }) }
    recordDecision.publish(data, { request, clock })
  }

  #rulesOf(permission: ResolvedPermission) {
    return this.#inForce.age?.() === 'unusable' ? undefined : this.#current().rulesOf(permission)
  }

  #resolve(permission: Permission): ResolvedPermission {
    return resolve(this.#rules.table, permission)
  }

  /** Rules that were loaded since then count. */
  #current(): Held {
    const { rules } = this.#inForce
    if (rules !== this.#rules) {
      this.#rules = rules
      this.#held = rules.bind(this.#asker.principal)
    }
    return this.#held
  }
}

/** A principal as he is now, whatever becomes of the object. */
export function principalNow(principal: Principal): Principal {
  const { roles, scopes, amr } = principal
  return Object.freeze({
    ...principal,
    roles: Object.freeze([...roles]),
    ...(scopes && { scopes: Object.freeze([...scopes]) }),
    ...(amr && { amr: Object.freeze([...amr]) }),
  })
}

/** @throws CoreError `core.principal_missing` when no guard of the route authenticates */
export function questionsOf(inForce: RulesInForce, request: RequestView): Questions {
  return new Questions(inForce, requirePrincipal(request), request)
}

/** CASL's oldest complaint: "may some" was asked, with a record, and taken for "may this one". */
function refuseRecord(record: unknown): void {
  if (record === undefined) return
  throw new AccessError('rbac.record_unexpected', 'canSome and decideSome look at no record: ask can or decide')
}
