import type { Plan } from './plans.ts'
import type { Algorithm, ScopedPolicy } from './policy.ts'
import type { RateLimitResult, RateLimitVerdict } from './store.ts'

/** What a limit would say to a request, and why. Plain data, without the key: safe to log, and to show to whom operates the API. */
export interface Explanation {
  /** The limiter's name. */
  readonly limiter: string
  /** The request's plan, where there are several. */
  readonly plan?: string
  /** The sort of key: `address` for example. */
  readonly keyKind: string
  /** Set where a list decided, and nothing is counted. */
  readonly listed?: 'allow' | 'deny'
  readonly allowed: boolean
  /** Whether it was looked up in a bucket that is shared with others, or in this process alone. */
  readonly degraded: boolean
  /** Units that the request would cost. */
  readonly cost: number
  /** Those that refuse first, then the shadows. */
  readonly policies: readonly PolicyExplanation[]
  /** The same for people: a line for the whole, and one for each policy. */
  readonly text: string
}

/** What one policy would say. */
export interface PolicyExplanation {
  readonly policy: string
  readonly algorithm: Algorithm
  readonly quota: number
  /** Seconds; of a calendar's period the most that it can have. */
  readonly window: number
  readonly burst: number
  /** Whether it refuses nothing, whatever it says. */
  readonly shadow: boolean
  readonly allowed: boolean
  /** Whole units left. */
  readonly remaining: number
  /** Whole seconds until the request would pass, 0 where it would now; of windows, at the latest. `undefined`: it costs more than ever passes. */
  readonly passesIn: number | undefined
  /** Whole seconds until everything has come back. */
  readonly fullIn: number
}

/** What is known before anything is asked. */
export interface ExplanationHead {
  readonly limiter: string
  readonly plan: string | undefined
  readonly keyKind: string
}

/** For a request that a list decides. */
export function explainListed({ limiter, keyKind }: Omit<ExplanationHead, 'plan'>, listed: 'allow' | 'deny'): Explanation {
  const allowed = listed === 'allow'
  const text = `${limiter}: ${allowed ? 'allowed' : 'refused'} by the ${listed} list, nothing is counted`
  return { limiter, keyKind, listed, allowed, degraded: false, cost: 0, policies: [], text }
}

/**
 * @param enforced what the policies that refuse said to a check that costs nothing; `undefined` where there are none
 * @param shadows what each shadow said to the same
 */
export function explain(
  { limiter, plan, keyKind }: ExplanationHead,
  policies: Plan,
  cost: number,
  enforced: RateLimitVerdict | undefined,
  shadows: readonly RateLimitVerdict[],
): Explanation {
  const verdicts = enforced === undefined ? shadows : [enforced, ...shadows]
  const parts = [
    ...policies.enforced.map((policy, i) => partOf(policy, enforced?.results[i], enforced?.at ?? 0, cost, false)),
    ...policies.shadows.map(([policy], i) => partOf(policy, shadows[i]?.results[0], shadows[i]?.at ?? 0, cost, true)),
  ].filter((part) => part !== undefined)
  const allowed = parts.every((part) => part.shadow || part.allowed)
  const head = {
    limiter,
    ...(plan !== undefined && { plan }),
    keyKind,
    allowed,
    degraded: verdicts.some(({ degraded }) => degraded),
    cost,
  }
  return { ...head, policies: parts, text: [headline(head), ...parts.map((part) => line(part, cost))].join('\n') }
}

function partOf(
  policy: ScopedPolicy | undefined,
  result: RateLimitResult | undefined,
  at: number,
  cost: number,
  shadow: boolean,
): PolicyExplanation | undefined {
  if (policy === undefined || result === undefined) return undefined
  const { name, algorithm, quota, window, burst } = policy
  const { remaining, resetAt } = result
  const lead = Math.max(0, resetAt - at)
  const allowed = cost === 0 ? result.allowed : remaining >= cost
  // Of windows, a check without a cost does not tell when one with a cost passes: at the latest when everything is back.
  const wait = algorithm === 'gcra' ? lead - ((burst - cost) * window * 1000) / quota : lead
  return {
    policy: name,
    algorithm,
    quota,
    window,
    burst,
    shadow,
    allowed,
    remaining,
    passesIn: allowed ? 0 : cost > burst ? undefined : Math.ceil(Math.max(0, wait) / 1000),
    fullIn: Math.ceil(lead / 1000),
  }
}

function headline(head: Omit<Explanation, 'policies' | 'text'>): string {
  const { limiter, plan, keyKind, allowed, degraded, cost } = head
  const where = plan === undefined ? limiter : `${limiter} (${plan})`
  const how = degraded ? ', counted with others or in this process alone' : ''
  return `${where}: ${allowed ? 'allowed' : 'refused'} at a cost of ${cost}, by ${keyKind}${how}`
}

function line({ policy, quota, window, shadow, allowed, remaining, passesIn, fullIn }: PolicyExplanation, cost: number): string {
  const sort = shadow ? ' (shadow)' : ''
  const left = `${remaining} left of ${quota} in ${window} s`
  const rest = fullIn === 0 ? 'nothing used' : `all back in ${fullIn} s`
  if (allowed) return `  ${policy}${sort}: passes, ${left}, ${rest}`
  const when = passesIn === undefined ? `${cost} never passes` : `passes in ${passesIn} s`
  return `  ${policy}${sort}: ${shadow ? 'would refuse' : 'refuses'}, ${left}, ${when}, ${rest}`
}
