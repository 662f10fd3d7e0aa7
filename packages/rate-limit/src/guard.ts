import {
  type Continue,
  type Decision,
  type HeaderList,
  problem,
  type Refusal,
  type RequestView,
  systemClock,
} from '@portcullis/core'
import { addressList } from './address-list.ts'
import { RateLimitError } from './errors.ts'
import { addressDenied, limitRefused, limitWouldRefuse } from './events.ts'
import { explain, explainListed } from './explain.ts'
import { limitFields, type RateLimitFields, retryAfterSeconds } from './headers.ts'
import type { LimitFacts, LimitGuard, LimitOptions } from './limit-options.ts'
import { createMemoryRateLimitStore } from './memory-store.ts'
import { type Plan, planBook } from './plans.ts'
import { checkCost } from './policy.ts'
import { quotaExceeded, refusedBy, retryAfter } from './refusal.ts'
import { type Charge, Settlement, unsettled } from './settlement.ts'
import { report, shadows } from './shadow.ts'
import { withStandIn } from './stand-in.ts'
import { steering } from './steering.ts'
import type { RateLimitVerdict } from './store.ts'

/** What a request is counted by. */
interface Subject {
  readonly key: string
  readonly plan: Plan
  readonly cost: number
}

/**
 * Lets a request pass while every policy has units left for its key; answers 429 otherwise. Synchronous with a store that is.
 *
 * The refusal is `quota-exceeded` of draft-ietf-httpapi-ratelimit-headers-10 §5.1 with `violated-policies`, and a `Retry-After` that is
 * never early. A request without a key is not let through: the guard throws.
 *
 * @throws RateLimitError `rate_limit.policy_invalid`, `rate_limit.policy_conflict`, `rate_limit.options_invalid`,
 *   `rate_limit.cost_invalid` when declared; `rate_limit.key_missing`, `rate_limit.plan_missing`, `rate_limit.cost_invalid` at a request
 * @example limit({ policies: [{ name: 'burst', quota: 100, window: 60 }], key: byAddress() })
 */
export function limit(options: LimitOptions): LimitGuard {
  const { clock = systemClock, key, cost = 1, actual, whenUnavailable = 'local', processes = 1, name = 'limit' } = options
  const own = options.store ?? createMemoryRateLimitStore({ clock })
  const store = options.store === undefined ? own : withStandIn(own, { mode: whenUnavailable, processes, clock })
  const book = planBook(name, options.policies)
  const kind = key.kind ?? 'custom'
  const denied = addressList(options.deny ?? [])
  const allowed = addressList(options.allow ?? [])
  for (const plan of book.all) declare(plan, options.cost, store.declare?.bind(store))

  const fields = new Map(book.all.map((plan) => [plan, limitFields(plan.enforced, options.headers ?? 'ratelimit')]))
  const refuse = refusals()
  const shadow = shadows(store, name, kind, clock)

  const subjectOf = (req: RequestView): Subject | undefined => {
    const value = key(req)
    const plan = book.of(req)
    if (value !== undefined && value !== '') return { key: value, plan, cost: typeof cost === 'number' ? cost : cost(req) }
    if (plan.enforced.length === 0) return undefined
    throw new RateLimitError('rate_limit.key_missing', `a request has no ${kind} key to count it by`)
  }

  const decide = (verdict: RateLimitVerdict, req: RequestView, subject: Subject): Decision<LimitFacts> => {
    const { plan } = subject
    const lines = fields.get(plan)?.of(verdict)
    if (!verdict.allowed) {
      if (limitRefused.observed) {
        limitRefused.publish({ policies: violated(verdict), keyKind: kind, degraded: verdict.degraded }, { request: req, clock })
      }
      return refuse(verdict, lines)
    }
    const watched = plan.shadows.length === 0 ? none : shadow.count(req, subject.key, subject.cost, plan.shadows)
    return pass(verdict, plan.name, lines, actual && settle(verdict, req, subject, watched))
  }

  const settle = (verdict: RateLimitVerdict, req: RequestView, subject: Subject, watched: readonly Charge[]): Settling => {
    const { plan, key, cost } = subject
    const charged = plan.enforced.length === 0 ? watched : [{ store, key, policies: plan.enforced, verdict }, ...watched]
    const settlement = new Settlement(actual ?? 'told', cost, charged)
    return {
      spent: (units) => settlement.tell(units),
      settle: (outcome) => void settlement.settle(req, outcome).catch((error: unknown) => report(req, name, error)),
    }
  }

  const guard = function limit(req: RequestView): Decision<LimitFacts> | Promise<Decision<LimitFacts>> {
    if (denied(req)) {
      addressDenied.publish({ limiter: name }, { request: req, clock })
      return forbidden
    }
    if (allowed(req)) return uncounted
    const subject = subjectOf(req)
    if (subject === undefined) {
      limitWouldRefuse.publish({ limiter: name, policies: [], keyKind: kind }, { request: req, clock })
      return unasked
    }
    const { enforced } = subject.plan
    if (enforced.length === 0) return decide(nothingAsked(clock.now()), req, subject)
    const verdict = store.consume(keysFor(subject), enforced, subject.cost)
    return verdict instanceof Promise ? verdict.then((late) => decide(late, req, subject)) : decide(verdict, req, subject)
  }

  return Object.assign(guard, {
    ...steering(own, book.all),
    async explain(req: RequestView) {
      if (denied(req)) return explainListed({ limiter: name, keyKind: kind }, 'deny')
      if (allowed(req)) return explainListed({ limiter: name, keyKind: kind }, 'allow')
      const subject = subjectOf(req)
      if (subject === undefined) throw new RateLimitError('rate_limit.key_missing', `a request has no ${kind} key to look up`)
      const { plan, key } = subject
      checkCost(subject.cost)
      const [enforced, ...watched] = await Promise.all([
        plan.enforced.length === 0 ? undefined : store.consume(keysFor(subject), plan.enforced, 0),
        ...plan.shadows.map((policy) => store.consume([key], policy, 0)),
      ])
      return explain({ limiter: name, plan: plan.name, keyKind: kind }, plan, subject.cost, enforced, watched)
    },
  })
}

const none: readonly Charge[] = []

const forbidden: Refusal = {
  type: 'reply',
  reply: problem({ status: 403 }),
  cause: { code: 'rate_limit.denied', message: 'refused by the deny list' },
}

const unasked: Continue<LimitFacts> = {
  type: 'continue',
  facts: { remaining: Number.POSITIVE_INFINITY, results: [], degraded: false, spent: () => {} },
}

const uncounted: Continue<LimitFacts> = {
  type: 'continue',
  facts: { remaining: Number.POSITIVE_INFINITY, results: [], degraded: false, listed: 'allow', spent: () => {} },
}

function nothingAsked(at: number): RateLimitVerdict {
  return { allowed: true, at, results: [], degraded: false }
}

function keysFor({ key, plan }: Subject): string[] {
  return plan.enforced.length === 1 ? [key] : new Array<string>(plan.enforced.length).fill(key)
}

/** What a request needs whose cost is known when it has ended. */
interface Settling {
  readonly spent: LimitFacts['spent']
  readonly settle: NonNullable<Continue['settle']>
}

function pass(
  verdict: RateLimitVerdict,
  plan: string | undefined,
  headers: HeaderList | undefined,
  settling: Settling | undefined,
): Continue<LimitFacts> {
  const { results, degraded } = verdict
  let remaining = Number.POSITIVE_INFINITY
  for (const result of results) if (result.remaining < remaining) remaining = result.remaining
  const spent = settling?.spent ?? unsettled
  const facts = plan === undefined ? { remaining, results, degraded, spent } : { remaining, results, degraded, spent, plan }
  const passed: Continue<LimitFacts> = headers === undefined ? { type: 'continue', facts } : { type: 'continue', facts, headers }
  return settling === undefined ? passed : { ...passed, settle: settling.settle }
}

/** Builds refusals. A flood is refused often and in few ways, so the body for each set of policies is made once. */
function refusals(): (verdict: RateLimitVerdict, headers: ReturnType<RateLimitFields['of']> | undefined) => Refusal {
  const known = new Map<string, Refusal>()
  return (verdict, headers = []) => {
    const names = violated(verdict)
    const id = names.join()
    let made = known.get(id)
    if (made === undefined) {
      made = { type: 'reply', reply: quotaExceeded(names), cause: refusedBy(names) }
      known.set(id, made)
    }
    const retry = retryAfter(retryAfterSeconds(verdict))
    return { ...made, reply: { ...made.reply, headers: [...(made.reply.headers ?? []), ...headers, ...retry] } }
  }
}

function violated({ results }: RateLimitVerdict): string[] {
  return results.filter((result) => !result.allowed).map((result) => result.policy)
}

/** What is wrong with a plan is wrong at start-up. */
function declare(plan: Plan, cost: LimitOptions['cost'], tell: ((policies: Plan['enforced']) => void) | undefined): void {
  if (typeof cost === 'number') {
    checkCost(cost)
    const narrow = [...plan.enforced, ...plan.shadows.flat()].find((policy) => cost > policy.burst)
    if (narrow !== undefined) {
      throw new RateLimitError(
        'rate_limit.cost_invalid',
        `a cost of ${cost} never passes ${narrow.name}, whose burst is ${narrow.burst}`,
      )
    }
  }
  if (plan.enforced.length > 0) tell?.(plan.enforced)
  for (const policies of [...plan.shadows, ...plan.singles]) tell?.(policies)
}
