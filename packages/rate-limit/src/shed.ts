import type { Clock, Decision, Guard, Outcome, Refusal, RequestView } from '@portcullis/core'
import { type AdaptiveLimit, AimdLimit, GradientLimit } from './adaptive-limit.ts'
import { RateLimitError } from './errors.ts'
import { requestShed } from './events.ts'
import { LoadWindow } from './load-window.ts'
import { checkLimiterName } from './policy.ts'
import { reducedCapacity, retryAfter } from './refusal.ts'

/** What is shed last, and first. */
export type Priority = 'critical' | 'normal' | 'bulk'

/** Options of {@link shed}. */
export interface ShedOptions {
  /** Names it in events: `shed` by default. */
  readonly name?: string
  /** How much a request matters; `normal` by default. Never what the client says of itself. */
  readonly priority?: (req: RequestView) => Priority
  /** Which part of the limit requests of a priority may fill: above 0, up to 1. Default: 1, 0.9, 0.5. */
  readonly shares?: Readonly<Partial<Record<Priority, number>>>
  /** Requests under way that are let in before anything is known: 50 by default. */
  readonly initial?: number
  /** What the limit never falls below, 5 by default, and never rises above, 1,000 by default. */
  readonly least?: number
  readonly most?: number
  /**
   * Seconds on average that are too long. Where it is given, the limit is raised by one while latency is below and lowered by a tenth
   * where it is above (AIMD); otherwise it follows the gradient of latency, and nothing has to be known beforehand.
   */
  readonly latency?: number
  /** How many times the usual latency is no sign of overload, from 1 to 10: 1.5 by default. Not with `latency`. */
  readonly tolerance?: number
  /** Seconds over which latency is averaged, from 0.01 to 60: 1 by default. */
  readonly window?: number
  /** Whether a request tells anything of latency: leave out streams that last as long as somebody looks. Default: all do. */
  readonly measures?: (req: RequestView) => boolean
  /** Milliseconds; one that never goes back by default. */
  readonly clock?: Clock
}

/** What the handler may want to know, to do less where there is little left. */
export interface ShedFacts {
  readonly priority: Priority
  /** How many may be under way now. */
  readonly limit: number
  /** How many are, this one included. */
  readonly inFlight: number
}

/** A guard, and what it is at. */
export interface ShedGuard extends Guard<ShedFacts> {
  /** At once. */
  (req: RequestView): Decision<ShedFacts>
  /** How many requests may be under way now: a whole number, for a gauge. */
  capacity(): number
  /** How many are. */
  inFlight(): number
}

const SHARES: Readonly<Record<Priority, number>> = { critical: 1, normal: 0.9, bulk: 0.5 }

/** Seconds over which those who are told to come again are spread. */
const SPREAD = 3

/** Seconds: the longest wait that is told. */
const LONGEST_RETRY = 60

const monotonic: Clock = { now: () => performance.timeOrigin + performance.now() }

/**
 * Refuses what this process can't bear, least important first, before everything becomes slow for everybody. How much it can bear it
 * finds out by itself, from how long requests take (see `GradientLimit` and `AimdLimit` for the sources). For the entrance, before
 * anything costly; it counts in this process, and answers at once.
 *
 * A refusal is 503 `temporary-reduced-capacity` (draft-ietf-httpapi-ratelimit-headers-10 §5.2). Its `Retry-After` is an estimate: the time in
 * which what is under way should be done, and one of three seconds to come in, so that not all come back at once (§8.5).
 *
 * Only answers below 400 tell of latency. Refusals are quick: whoever sends junk could otherwise make ordinary requests look slow.
 *
 * @throws RateLimitError `rate_limit.options_invalid` when declared; `rate_limit.priority_invalid` at a request
 * @example shed({ priority: (req) => (req.method === 'GET' ? 'normal' : 'critical') })
 */
export function shed(options: ShedOptions = {}): ShedGuard {
  const { priority = () => 'normal', measures = () => true, window = 1, clock = monotonic } = options
  const name = checkLimiterName(options.name ?? 'shed')
  const shares = { ...SHARES, ...options.shares }
  const limit = limitOf(options)
  checkShares(shares)
  if (!(window >= 0.01 && window <= 60)) throw invalid('window is from 0.01 to 60 seconds')
  const load = new LoadWindow(window * 1000, clock.now())
  let inFlight = 0
  let refused = 0
  /** Milliseconds that a request takes at present; 0: nobody knows yet. */
  let latency = 0

  const ended = (req: RequestView, since: number, { status, completed }: Outcome): void => {
    inFlight -= 1
    // What a later guard refused, or a client did not wait for, took no time that tells anything.
    if (status === undefined || !completed) return
    const overloaded = status === 503 || status === 504
    const now = clock.now()
    if ((status >= 400 && !overloaded) || now < since || !measures(req)) return
    const sample = load.end(overloaded ? undefined : now - since, now, inFlight)
    if (sample === undefined) return
    latency = sample.latency ?? latency
    limit.learn(sample)
  }

  const refuse = (req: RequestView, kind: Priority): Refusal => {
    requestShed.publish({ limiter: name, priority: kind, limit: Math.floor(limit.current), inFlight }, { request: req, clock })
    refused += 1
    const drained = Math.min(LONGEST_RETRY, Math.max(1, Math.ceil(latency / 1000)))
    return {
      type: 'reply',
      reply: reducedCapacity(retryAfter(drained + (refused % SPREAD))),
      cause: { code: 'rate_limit.shed', message: `${inFlight} requests are under way, too many for one that is ${kind}` },
    }
  }

  const guard = function shed(req: RequestView): Decision<ShedFacts> {
    const kind = priority(req)
    const share = Object.hasOwn(shares, kind) ? shares[kind] : undefined
    if (share === undefined) throw new RateLimitError('rate_limit.priority_invalid', 'a priority is critical, normal or bulk')
    if (inFlight >= Math.max(1, Math.floor(limit.current * share))) return refuse(req, kind)
    const since = clock.now()
    inFlight += 1
    load.begin(inFlight)
    const facts = { priority: kind, limit: Math.floor(limit.current), inFlight }
    return { type: 'continue', facts, settle: (outcome) => ended(req, since, outcome) }
  }
  return Object.assign(guard, { capacity: () => Math.floor(limit.current), inFlight: () => inFlight })
}

function limitOf({ initial = 50, least = 5, most = 1_000, latency, tolerance = 1.5 }: ShedOptions): AdaptiveLimit {
  if (![initial, least, most].every((value) => Number.isInteger(value) && value >= 1 && value <= 1_000_000)) {
    throw invalid('initial, least and most are whole numbers from 1 to 1,000,000')
  }
  if (least > initial || initial > most) throw invalid('initial is between least and most')
  if (!(tolerance >= 1 && tolerance <= 10)) throw invalid('tolerance is from 1 to 10')
  const range = { initial, least, most }
  if (latency === undefined) return new GradientLimit(range, tolerance)
  if (!(latency > 0 && latency <= 3_600)) throw invalid('latency is above 0, and up to 3,600 seconds')
  return new AimdLimit(range, latency * 1000)
}

function checkShares(shares: Readonly<Record<Priority, number>>): void {
  const { critical, normal, bulk } = shares
  if (![critical, normal, bulk].every((share) => share > 0 && share <= 1)) throw invalid('a share is above 0, and up to 1')
  // The other way round, what matters least would be shed last.
  if (critical < normal || normal < bulk) throw invalid('the share of critical is not below that of normal, nor that below bulk')
}

function invalid(why: string): RateLimitError {
  return new RateLimitError('rate_limit.options_invalid', why)
}
