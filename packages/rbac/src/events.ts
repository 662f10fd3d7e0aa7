import { defineEvent, type EventType } from '@portcullis/core'
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
}

/**
 * Published by `access.check`: whether somebody may do something with one record. Decisions of routes are core's
 * `core.decision`, and are not published here again.
 */
export const recordDecision: EventType<'rbac.record_decision', RecordDecisionData> = defineEvent('rbac.record_decision')
