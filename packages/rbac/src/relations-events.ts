import { defineEvent, type EventType } from '@portcullis/core'
import type { Party } from './assignments-holder.ts'
import type { RelationReasonCode } from './relations-decision.ts'

/** Which tuple changed, as text: `document:readme`, `viewer`, `group:eng#member`. */
export interface RelationEvent {
  readonly tenant: string
  readonly object: string
  readonly relation: string
  readonly subject: string
  readonly by: Party | undefined
}

/** A tuple was written, or got another end. `expiresAt`: milliseconds since the epoch. */
export const relationWritten: EventType<'rbac.relation_written', RelationEvent & { readonly expiresAt: number | undefined }> =
  defineEvent('rbac.relation_written')

/** A tuple was removed. One that runs out by itself publishes nothing. */
export const relationRemoved: EventType<'rbac.relation_removed', RelationEvent> = defineEvent('rbac.relation_removed')

/** A question could not be followed to its end, and was answered with no, or with a part: the bounds or the data want a look. */
export const relationBounded: EventType<
  'rbac.relation_bounded',
  { readonly tenant: string; readonly question: string; readonly code: RelationReasonCode }
> = defineEvent('rbac.relation_bounded')
