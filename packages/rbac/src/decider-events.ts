import { type Clock, defineEvent, type EventType, type Principal, type Reason, type RequestView } from '@portcullis/core'
import type { DeciderDecision } from './decider-port.ts'
import type { Question } from './decider-question.ts'

/** What a {@link deciderDecision} event says. Properties and context are left out: they may hold anything. */
export interface DeciderDecisionData {
  /** The decider's name. */
  readonly decider: string
  readonly subject: { readonly type: string; readonly id: string }
  readonly action: string
  readonly resource: { readonly type: string; readonly id: string }
  readonly allowed: boolean
  /** Nobody has decided: it was refused for that. */
  readonly failed: boolean
  readonly reason: Reason
  /** Who asked: for himself, or for the subject. */
  readonly caller: { readonly subject: string; readonly kind: Principal['kind']; readonly tenant: string | undefined }
}

/** Published by `checkBy`, and by the AuthZEN endpoints for each evaluation. Decisions of routes are core's `core.decision`. */
export const deciderDecision: EventType<'rbac.decider_decision', DeciderDecisionData> = defineEvent('rbac.decider_decision')

export function publishDecision(
  decider: string,
  question: Question,
  { allowed, failed, reason }: DeciderDecision,
  caller: Principal,
  context: { readonly request: RequestView; readonly clock?: Clock | undefined },
): void {
  if (!deciderDecision.observed) return
  const { subject, action, resource } = question
  deciderDecision.publish(
    {
      decider,
      subject: { type: subject.type, id: subject.id },
      action: action.name,
      resource: { type: resource.type, id: resource.id },
      allowed,
      failed,
      reason,
      caller: { subject: caller.subject, kind: caller.kind, tenant: caller.tenant },
    },
    context,
  )
}
