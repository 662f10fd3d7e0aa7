import type { Clock } from '@portcullis/core'
import { whenAnswered } from './leased-quota-answer.ts'
import type { ScopedPolicy } from './policy.ts'
import type { RateLimitResult, RateLimitStore, RateLimitVerdict } from './store.ts'

/** What all leases of a store have in common. */
export interface LeaseTerms {
  readonly store: RateLimitStore
  readonly clock: Clock
  /** Milliseconds. */
  readonly lease: number
  readonly most: number
  readonly processes: number
}

/** An answer of the store. Times are this machine's, in milliseconds; the store's own is in the verdict. */
interface Answer {
  readonly verdict: RateLimitVerdict
  /** When it was sent: what it charged was not charged before. */
  readonly asked: number
}

/** What the store said last. */
interface Told extends Answer {
  /** Whole units that the scarcest of the policies had left. */
  readonly left: number
}

/** Units taken ahead, all in one trip. */
interface Lot extends Answer {
  readonly answered: number
  units: number
}

/** A check that waits for a trip that is under way. */
interface Waiter {
  readonly cost: number
  resolve(verdict: RateLimitVerdict | Promise<RateLimitVerdict>): void
  reject(error: unknown): void
}

/**
 * What one process holds of the buckets of one key. A check is charged in hand or in the store, never half and half. Only where nothing
 * is in hand are units taken ahead, and one trip at a time takes them, so that at most `most − 1` are here that nobody has asked for.
 */
export class QuotaLease {
  readonly #terms: LeaseTerms
  readonly #keys: readonly string[]
  readonly #policies: readonly ScopedPolicy[]
  #lot: Lot | undefined
  #told: Told | undefined
  /** Units that the next trip takes, its own included: grows with demand. */
  #size = 1
  #underWay = false
  #waiting: Waiter[] = []
  /** How often all that was known was dropped: what was asked before is not kept. */
  #drops = 0

  constructor(terms: LeaseTerms, keys: readonly string[], policies: readonly ScopedPolicy[]) {
    this.#terms = terms
    this.#keys = keys
    this.#policies = policies
  }

  get busy(): boolean {
    return this.#underWay
  }

  consume(cost: number): RateLimitVerdict | Promise<RateLimitVerdict> {
    const now = this.#terms.clock.now()
    const lot = this.#held(now)
    if (lot !== undefined && lot.units >= cost) return this.#fromHand(lot, cost, now)
    if (lot !== undefined || cost >= this.#terms.most || this.#isScarce(now)) return this.#ask(cost)
    if (!this.#underWay) return this.#takeFor(cost, now)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ cost, resolve, reject })
    })
  }

  /** Pays with what is in hand. @returns how many of the units */
  pay(units: number): number {
    const lot = this.#held(this.#terms.clock.now())
    if (lot === undefined) return 0
    const paid = Math.min(units, lot.units)
    lot.units -= paid
    return paid
  }

  /** Lets go of what is in hand, of what is under way, and of what is known. */
  drop(): void {
    this.#lot = undefined
    this.#told = undefined
    this.#drops += 1
  }

  /** What may still be used. */
  #held(now: number): Lot | undefined {
    const lot = this.#lot
    if (lot === undefined) return undefined
    if (lot.units > 0 && this.#isFresh(lot, now)) return lot
    // For good: a clock that was set back, and tells nothing of how old it is, may come to that time again.
    this.#lot = undefined
    return undefined
  }

  #isFresh({ asked }: Answer, now: number): boolean {
    return now >= asked && now < asked + this.#terms.lease
  }

  /** Whether the store has too little for everybody to take two. */
  #isScarce(now: number): boolean {
    const told = this.#told
    return told !== undefined && this.#isFresh(told, now) && told.left < 2 * this.#terms.processes
  }

  /** A check that finds nothing in hand takes for itself, and ahead. */
  #takeFor(cost: number, now: number): RateLimitVerdict | Promise<RateLimitVerdict> {
    const ahead = this.#ahead(cost, cost, now)
    return this.#take(cost, ahead, (verdict) => {
      try {
        if (ahead === 0) return verdict
        return verdict.allowed ? this.#allowed(verdict, cost, ahead, verdict.at) : this.#ask(cost)
      } finally {
        this.#serve()
      }
    })
  }

  /** Those who waited are served from what came; the others are asked for at once, in one trip. */
  #serve(): void {
    const now = this.#terms.clock.now()
    const hungry: Waiter[] = []
    for (const waiter of this.#waiting.splice(0)) {
      const lot = this.#held(now)
      if (lot !== undefined && lot.units >= waiter.cost) waiter.resolve(this.#fromHand(lot, waiter.cost, now))
      else hungry.push(waiter)
    }
    if (hungry.length === 0) return
    const total = hungry.reduce((sum, { cost }) => sum + cost, 0)
    const known = this.#told !== undefined && this.#isFresh(this.#told, now) ? this.#told.left : 0
    if (this.#held(now) !== undefined || this.#isScarce(now) || known < total) this.#each(hungry)
    else this.#share(hungry, total, now)
  }

  /** One trip for all of them, and ahead. */
  #share(hungry: readonly Waiter[], total: number, now: number): void {
    const ahead = this.#ahead(total, Math.max(...hungry.map(({ cost }) => cost)), now)
    const shared = (verdict: RateLimitVerdict): void => {
      let rest = total
      if (!verdict.allowed) this.#each(hungry)
      else {
        for (const { cost, resolve } of hungry) {
          rest -= cost
          resolve(this.#allowed(verdict, cost, ahead + rest, verdict.at))
        }
      }
      this.#serve()
    }
    try {
      const done = this.#take(total, ahead, shared)
      if (done instanceof Promise) done.catch((error: unknown) => rejectAll(hungry, error))
    } catch (error) {
      rejectAll(hungry, error)
    }
  }

  #each(waiters: readonly Waiter[]): void {
    for (const { cost, resolve, reject } of waiters) {
      try {
        resolve(this.#ask(cost))
      } catch (error) {
        reject(error)
      }
    }
  }

  /** One trip, during which others wait. @param then called before anybody else can ask */
  #take<T>(units: number, ahead: number, then: (verdict: RateLimitVerdict) => T | Promise<T>): T | Promise<T> {
    const { clock } = this.#terms
    const [asked, before] = [clock.now(), this.#drops]
    this.#underWay = true
    return whenAnswered(
      () => this.#ask(units + ahead),
      (verdict) => {
        this.#underWay = false
        const kept = verdict.allowed && !verdict.degraded && ahead > 0 && before === this.#drops
        if (kept) this.#lot = { verdict, asked, answered: clock.now(), units: ahead }
        return then(verdict)
      },
      (error) => {
        this.#underWay = false
        // They shared the trip: they share what became of it. A stampede is the last thing that a store in trouble needs.
        rejectAll(this.#waiting.splice(0), error)
        throw error
      },
    )
  }

  /** A charge of its own, of which nothing stays here: all that there is near exhaustion. What it tells is remembered. */
  #ask(units: number): RateLimitVerdict | Promise<RateLimitVerdict> {
    const { store, clock } = this.#terms
    const [asked, before] = [clock.now(), this.#drops]
    return whenAnswered(
      () => store.consume(this.#keys, this.#policies, units),
      (verdict) => {
        // What a bucket that strangers share has left is nobody's to take ahead.
        const left = verdict.degraded ? 0 : Math.min(...verdict.results.map(({ remaining }) => remaining))
        if (before === this.#drops) this.#told = { verdict, asked, left }
        return verdict
      },
    )
  }

  /**
   * How many units a trip takes beyond what is asked for: see {@link leaseQuota}.
   * @param total units that are asked for
   * @param cost of the dearest check: what is no multiple of it would stay in hand
   */
  #ahead(total: number, cost: number, now: number): number {
    const { lease, most, processes } = this.#terms
    const told = this.#told
    if (told === undefined || !this.#isFresh(told, now)) {
      this.#size = 1
      return 0
    }
    // Where twice as much would outlive the lease, it would be wasted.
    if (now - told.asked <= lease / 2) this.#size = Math.min(most, this.#size * 2)
    const share = Math.min(this.#size, Math.floor((told.left - total) / processes))
    return Math.max(0, Math.floor((share - 1) / cost) * cost)
  }

  #fromHand(lot: Lot, cost: number, now: number): RateLimitVerdict {
    lot.units -= cost
    const { verdict, answered } = lot
    // No later than the store's own time: whoever waits from here to `retryAt` waits for long enough.
    const at = Math.floor(verdict.at + (now - answered))
    return this.#allowed(verdict, cost, lot.units, at)
  }

  /**
   * What a check is told whose units came in a trip with more.
   * @param rest how many of that trip there are still
   */
  #allowed(charge: RateLimitVerdict, cost: number, rest: number, at: number): RateLimitVerdict {
    const latest = this.#told?.verdict ?? charge
    const results = charge.results.map((result, i): RateLimitResult => {
      const left = latest.results[i]?.remaining ?? 0
      const policy = this.#policies[i]
      return {
        policy: result.policy,
        allowed: true,
        remaining: left + rest,
        retryAt: rest >= cost || left >= cost || policy === undefined ? at : Math.max(at, nextIn(policy, cost, result.resetAt)),
        // When the charge was made, not when it was used: what time has given back by then must not be given back again.
        resetAt: result.resetAt,
      }
    })
    return { allowed: true, at, results, degraded: charge.degraded }
  }
}

/** When a bucket that is full at `resetAt` has so many units, at the latest. */
function nextIn(policy: ScopedPolicy, cost: number, resetAt: number): number {
  if (cost > policy.burst) return Number.POSITIVE_INFINITY
  return Math.ceil(resetAt + ((cost - policy.burst) * policy.window * 1000) / policy.quota)
}

function rejectAll(waiters: readonly Waiter[], error: unknown): void {
  for (const { reject } of waiters) reject(error)
}
