import { defineEvent, type EventType, type Reason } from '@portcullis/core'
import type { AccessReason } from './decision.ts'

/** What a {@link recordDecision} event says. */
export interface RecordDecisionData {
  readonly permission: string
  readonly allowed: boolean
  readonly reason: AccessReason
  readonly subject: string
  readonly kind: 'user' | 'client'
  /** The caller's tenant. */
  readonly tenant: string | undefined
  readonly clientId: string | undefined
  /** The rules could not be read again within their bound: they may have changed. */
  readonly stale?: true
}

/**
 * Published by `access.check`, and by what `access.forRequest` answers: whether somebody may do something with one record. Decisions of routes are core's
 * `core.decision`, and are not published here again.
 */
export const recordDecision: EventType<'rbac.record_decision', RecordDecisionData> = defineEvent('rbac.record_decision')

/** What a {@link rulesChanged} event says. */
export interface RulesChangedData {
  /** Which rules, as the source was told. */
  readonly id: string
  /** As the store counts; `undefined`: the definition's own rules decide. */
  readonly version: number | undefined
}

/** Published by an access source when other rules decide from now on in this process. */
export const rulesChanged: EventType<'rbac.rules_changed', RulesChangedData> = defineEvent('rbac.rules_changed')

/** What a {@link rulesUnavailable} event says. */
export interface RulesUnavailableData extends RulesChangedData {
  /** Whether the bound is over. */
  readonly stale: boolean
  readonly reason: Reason
}

/**
 * Published by an access source when rules could not be read, at each try; and once when the bound is over, from which moment on
 * everything is refused, or decided by rules that may have changed.
 */
export const rulesUnavailable: EventType<'rbac.rules_unavailable', RulesUnavailableData> = defineEvent('rbac.rules_unavailable')
