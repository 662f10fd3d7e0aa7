/** The version of the format of decision logs: `v` of each line. */
export const DECISION_LOG_VERSION = 1

/** How allowed decisions were chosen, on each line that was. Denials are never sampled. */
export interface DecisionSampling {
  /** Of so many allowed decisions this part is written: above 0, below 1. */
  readonly rate: number
  /** Whether the first of each caller and permission is written all the same, at least once in every `firstEvery` seconds. */
  readonly first: boolean
}

/** One decision, as a line of the log has it. What is not known is left out. */
export interface DecisionLine {
  readonly v: typeof DECISION_LOG_VERSION
  readonly type: 'decision'
  /** Milliseconds since the epoch. */
  readonly time: number
  /** `route`: the rule of a route (`core.decision`). `record`: one record (`rbac.record_decision`). */
  readonly about: 'route' | 'record'
  readonly outcome: 'allowed' | 'refused' | 'failed'
  /** What was asked for; empty where the rule is no permission. */
  readonly permissions: readonly string[]
  readonly subject?: string
  readonly kind?: 'user' | 'client'
  readonly tenant?: string
  readonly client?: string
  /** The roles that the caller held then, where whoever writes the log knows. */
  readonly roles?: readonly string[]
  readonly method?: string
  /** The pattern, never the path. */
  readonly route?: string
  /** For a rule that is no permission. */
  readonly rule?: string
  readonly status?: number
  readonly reason?: { readonly code: string; readonly message: string }
  /** The same for all decisions about one request. */
  readonly request?: string
  /** Of refusals alone. */
  readonly ip?: string
  readonly sampling?: DecisionSampling
}

/** A writer began (`log.start`), ended (`log.stop`), or had to leave lines out (`log.dropped`). */
export interface DecisionLogLine {
  readonly v: typeof DECISION_LOG_VERSION
  readonly type: 'log.start' | 'log.stop' | 'log.dropped'
  /** Milliseconds since the epoch. */
  readonly time: number
  /** Of `log.dropped`: how many lines about what was allowed, and about what was not. */
  readonly allows?: number
  readonly denials?: number
}

/** Any line of a decision log. */
export type AnyDecisionLine = DecisionLine | DecisionLogLine

/** @returns `undefined` for what is no line of a version that this code knows */
export function parseDecisionLine(text: string): AnyDecisionLine | undefined {
  let line: unknown
  try {
    line = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(line) || line['v'] !== DECISION_LOG_VERSION || !isTime(line['time'])) return undefined
  if (line['type'] === 'decision') return isDecision(line) ? line : undefined
  return isLogLine(line) ? line : undefined
}

function isDecision(line: Readonly<Record<string, unknown>>): line is Readonly<Record<string, unknown>> & DecisionLine {
  const { about, outcome, permissions, subject, kind, tenant, client, roles, sampling } = line
  return (
    (about === 'route' || about === 'record') &&
    (outcome === 'allowed' || outcome === 'refused' || outcome === 'failed') &&
    isStrings(permissions) &&
    [subject, tenant, client].every((text) => text === undefined || typeof text === 'string') &&
    (kind === undefined || kind === 'user' || kind === 'client') &&
    (roles === undefined || isStrings(roles)) &&
    (sampling === undefined || isSampling(sampling))
  )
}

function isSampling(sampling: unknown): boolean {
  if (!isObject(sampling)) return false
  const { rate, first } = sampling
  return typeof rate === 'number' && rate >= 0 && rate < 1 && typeof first === 'boolean'
}

function isLogLine(line: Readonly<Record<string, unknown>>): line is Readonly<Record<string, unknown>> & DecisionLogLine {
  const { type, allows, denials } = line
  if (type === 'log.start' || type === 'log.stop') return true
  return type === 'log.dropped' && Number.isSafeInteger(allows) && Number.isSafeInteger(denials)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
