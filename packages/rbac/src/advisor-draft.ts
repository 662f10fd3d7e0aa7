import type { DecisionEvent } from '@portcullis/core'
import type { DecisionLine } from './advisor-line.ts'
import type { RecordDecisionData } from './events.ts'

/** A line of the log, before it is known when, in which request, and whether it is written. */
export type DecisionDraft = Omit<DecisionLine, 'v' | 'type' | 'time' | 'roles' | 'request' | 'ip' | 'sampling'>

/** Names come from tokens: a line must not become as long as somebody likes. In UTF-16 code units. */
const LONGEST = 512

/** A decision about a route, as a line says it. */
export function routeDraft(data: DecisionEvent): DecisionDraft {
  const { outcome, method, route, policy, status, principal, clientId, reason } = data
  const isPermission = policy?.kind === 'permission'
  return {
    about: 'route',
    outcome,
    // The label of a permission's rule lists them; no name of one holds a comma.
    permissions: isPermission ? policy.label.split(', ') : [],
    ...(principal === undefined ? {} : callerOf(principal, clientId)),
    method: cut(method),
    ...(route === undefined ? {} : { route: cut(route) }),
    ...(policy === undefined || isPermission ? {} : { rule: cut(policy.label) }),
    ...(status === undefined ? {} : { status }),
    ...(reason === undefined ? {} : { reason: { code: reason.code, message: cut(reason.message) } }),
  }
}

/** A decision about a record, as a line says it. */
export function recordDraft(data: RecordDecisionData): DecisionDraft {
  const { permission, allowed, reason, clientId } = data
  return {
    about: 'record',
    outcome: allowed ? 'allowed' : 'refused',
    permissions: [permission],
    ...callerOf(data, clientId),
    reason: { code: reason.code, message: cut(reason.message) },
  }
}

function callerOf(
  { subject, kind, tenant }: { readonly subject: string; readonly kind: 'user' | 'client'; readonly tenant?: string | undefined },
  clientId: string | undefined,
): Pick<DecisionLine, 'subject' | 'kind' | 'tenant' | 'client'> {
  return {
    subject: cut(subject),
    kind,
    ...(tenant === undefined ? {} : { tenant: cut(tenant) }),
    ...(clientId === undefined ? {} : { client: cut(clientId) }),
  }
}

function cut(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`
}
