import { type Clock, type EventContext, PortcullisError, type Reason, type Store, systemClock } from '@portcullis/core'
import { RateLimitError } from './errors.ts'
import { concurrencyRefused } from './events.ts'
import { keyDigest } from './key-digest.ts'
import { LeasedSeats } from './leased-seats.ts'
import { checkLimiterName } from './policy.ts'
import { LocalSeats, type Seat, type Seats } from './seat.ts'
import type { WhenUnavailable } from './stand-in.ts'
import { type Left, WaitingLine } from './waiting-line.ts'

/** Options of {@link createConcurrencyLimit}. */
export interface ConcurrencyOptions {
  /** How many may be under way at one time for one key: a whole number from 1 to 10,000. */
  readonly max: number
  /** Names this limit among those that share its store, `concurrency` by default: alike in name means one count. */
  readonly name?: string
  /** Where seats are kept, so that all processes count together. Without one, this process counts by itself, and answers at once. */
  readonly store?: Store
  /** At least 16 bytes, the same in all processes: keys are in the store as an HMAC. Needed with a store. */
  readonly secret?: string | Uint8Array
  /**
   * Seconds after which the seats of a process that died come back: from 1 to 86,400, 30 by default. Work that takes longer is renewed.
   * The clocks of all processes, and of the store, must agree to a third of it.
   */
  readonly lease?: number
  /** Lets some wait for a seat instead of being refused at once. */
  readonly wait?: ConcurrencyWait
  /** What happens while the store can't be asked; see `limit`. `closed`: `acquire` throws what the store threw. Default: `local`. */
  readonly whenUnavailable?: WhenUnavailable
  /** How many processes share the store: each one's share is that part of `max`, at least 1. Default: 1. */
  readonly processes?: number
  /** For leases, events, and how long a seat is held. */
  readonly clock?: Clock
  /** What sort of key is counted, for events: `custom` by default. */
  readonly keyKind?: string
}

/** Who may wait. */
export interface ConcurrencyWait {
  /** How many of one key wait in this process: a whole number from 1 to 100,000. */
  readonly queue: number
  /** Seconds that one waits at most, from 0.001 to 3,600. */
  readonly timeout: number
}

/** What {@link ConcurrencyLimit.acquire} answers. */
export type ConcurrencyAttempt = AcquiredSeat | NoSeat

/** Do the work, then release. */
export interface AcquiredSeat {
  readonly acquired: true
  /** Whether it was given out by this process alone, since the store could not be asked. */
  readonly degraded: boolean
  /**
   * Aborts when the seat was lost: the process was stopped, or the store unreachable, for the length of a lease. Another may be at work
   * by then.
   */
  readonly signal: AbortSignal
  /** Gives the seat to who waits longest, or back. The first call counts; never rejects. */
  release(): void | Promise<void>
}

/** All seats are taken. */
export interface NoSeat {
  readonly acquired: false
  /**
   * Whole seconds, at least 1: how long it should take until a seat is free, judged by how long they were held lately. Nobody knows when
   * work under way ends, so unlike that of a rate it is an estimate.
   */
  readonly retryAfter: number
  readonly reason: Reason & { readonly code: NoSeatCode }
}

/** Why there is no seat. */
export type NoSeatCode =
  | 'rate_limit.concurrency_exceeded'
  | 'rate_limit.queue_full'
  | 'rate_limit.wait_timeout'
  | 'rate_limit.client_left'

/** Context of {@link ConcurrencyLimit.acquire}. */
export interface AcquireContext extends EventContext {
  /** Ends the wait when it aborts. */
  readonly signal?: AbortSignal
}

/** Limits how much is under way at one time. */
export interface ConcurrencyLimit {
  /**
   * Takes a seat. At once, without a promise, where there is no store and nothing to wait for.
   * @throws RateLimitError `rate_limit.key_missing`; what the store throws, with `whenUnavailable: 'closed'`
   * @example
   * const attempt = await exports.acquire(tenant)
   * if (!attempt.acquired) return tooMany(attempt.retryAfter)
   * try { await work(attempt.signal) } finally { await attempt.release() }
   */
  acquire(key: string, context?: AcquireContext): ConcurrencyAttempt | Promise<ConcurrencyAttempt>
  /** Renews the leases that are due. A timer does; call it where `clock` is not the system's. */
  renew(): Promise<void>
}

const FULL: Readonly<Record<NoSeatCode, string>> = {
  'rate_limit.concurrency_exceeded': 'all seats are taken',
  'rate_limit.queue_full': 'all seats are taken, and so are the places to wait',
  'rate_limit.wait_timeout': 'no seat was free in time',
  'rate_limit.client_left': 'the client left while it waited',
}

/** Milliseconds between two looks whether another process has left a seat. */
const POLL = 100

/** Of how long seats are held, how much the last one tells. */
const WEIGHT = 0.1

/** Seconds: the longest wait that is told. */
const LONGEST_RETRY = 3_600

/**
 * At most `max` at one time for one key, over all processes that share a store. Exact however many ask at once: each seat is an id in the
 * store that only one can create. A process that dies leaves its seats to time; nothing has to clean up behind it.
 *
 * @throws RateLimitError `rate_limit.options_invalid`
 */
export function createConcurrencyLimit(options: ConcurrencyOptions): ConcurrencyLimit {
  const { clock = systemClock, wait, keyKind = 'custom' } = options
  const name = checkLimiterName(options.name ?? 'concurrency')
  checkNumbers(options)
  const { seats, renew } = seatsOf(options, name, clock)
  const line = new WaitingLine<AcquiredSeat>(wait?.queue ?? 0, (wait?.timeout ?? 0) * 1000)
  /** Milliseconds that a seat is held on average; 0: nobody knows yet. */
  let held = 0

  const give = (key: string, seat: Seat): AcquiredSeat => {
    const since = clock.now()
    let released = false
    return {
      acquired: true,
      degraded: seat.degraded,
      get signal() {
        return seat.signal
      },
      release() {
        if (released) return
        released = true
        const took = Math.max(0, clock.now() - since)
        held = held === 0 ? took : held + WEIGHT * (took - held)
        if (seat.held && line.serve(key, () => give(key, seat))) return
        return seat.release()
      },
    }
  }

  const refuse = (code: NoSeatCode, key: string, context: AcquireContext): NoSeat => {
    if (code !== 'rate_limit.client_left') {
      concurrencyRefused.publish({ limiter: name, keyKind, reason: REASONS[code] }, { clock, ...context })
    }
    const ahead = line.waiting(key) + 1
    const seconds = Math.ceil((held * ahead) / options.max / 1000)
    return {
      acquired: false,
      retryAfter: Math.min(LONGEST_RETRY, Math.max(1, seconds)),
      reason: { code, message: FULL[code] },
    }
  }

  const look = async (key: string): Promise<void> => {
    const seat = await seats.take(key)
    if (seat !== undefined && !line.serve(key, () => give(key, seat))) await seat.release()
  }

  const queue = (key: string, context: AcquireContext): ConcurrencyAttempt | Promise<ConcurrencyAttempt> => {
    if (wait === undefined) return refuse('rate_limit.concurrency_exceeded', key, context)
    const waited = line.join(key, context.signal, options.store === undefined ? undefined : { every: POLL, look })
    if (waited === undefined) return refuse('rate_limit.queue_full', key, context)
    return waited.then((got) => (typeof got === 'string' ? refuse(LEFT[got], key, context) : got))
  }

  return {
    acquire(key, context = {}) {
      if (key === '') throw new RateLimitError('rate_limit.key_missing', 'there is no key to count by')
      // Whoever waits is before whoever comes.
      if (line.waiting(key) > 0) return queue(key, context)
      const seat = seats.take(key)
      const settle = (got: Seat | undefined) => (got === undefined ? queue(key, context) : give(key, got))
      return seat instanceof Promise ? seat.then(settle) : settle(seat)
    },
    renew,
  }
}

const REASONS = {
  'rate_limit.concurrency_exceeded': 'full',
  'rate_limit.queue_full': 'queue_full',
  'rate_limit.wait_timeout': 'timeout',
} as const

const LEFT: Readonly<Record<Left, NoSeatCode>> = {
  timeout: 'rate_limit.wait_timeout',
  aborted: 'rate_limit.client_left',
}

function seatsOf(options: ConcurrencyOptions, name: string, clock: Clock): { seats: Seats; renew: () => Promise<void> } {
  const { max, store, secret, lease = 30, whenUnavailable = 'local', processes = 1 } = options
  if (store === undefined) return { seats: new LocalSeats(max, false), renew: async () => {} }
  if (secret === undefined) throw invalid('secret is needed with a store: keys must not be in it in the clear')
  const leased = new LeasedSeats({ name, max, lease: Math.round(lease * 1000), store, digest: keyDigest(secret), clock })
  const renew = () => leased.renew()
  if (whenUnavailable === 'closed') return { seats: leased, renew }
  const share = whenUnavailable === 'open' ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(max / processes))
  const local = new LocalSeats(share, true)
  return {
    renew,
    seats: {
      take: (key) =>
        leased.take(key).catch((error: unknown) => {
          if (error instanceof PortcullisError && error.status === 503) return local.take(key)
          throw error
        }),
    },
  }
}

function checkNumbers({ max, lease = 30, wait, processes = 1, whenUnavailable = 'local' }: ConcurrencyOptions): void {
  if (!isWhole(max, 1, 10_000)) throw invalid('max is a whole number from 1 to 10,000')
  if (!(lease >= 1 && lease <= 86_400)) throw invalid('lease is from 1 to 86,400 seconds')
  if (!isWhole(processes, 1, 10_000)) throw invalid('processes is a whole number from 1 to 10,000')
  // From JavaScript, a word misspelled would be the laxer choice.
  if (!['local', 'open', 'closed'].includes(whenUnavailable)) throw invalid('whenUnavailable is local, open or closed')
  if (wait === undefined) return
  if (!isWhole(wait.queue, 1, 100_000)) throw invalid('wait.queue is a whole number from 1 to 100,000')
  if (!(wait.timeout >= 0.001 && wait.timeout <= 3_600)) throw invalid('wait.timeout is from 0.001 to 3,600 seconds')
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}

function invalid(why: string): RateLimitError {
  return new RateLimitError('rate_limit.options_invalid', why)
}
