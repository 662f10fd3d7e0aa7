import { type Clock, systemClock } from './clock.ts'
import { runInTime } from './deadline.ts'
import { PortcullisError } from './errors.ts'
import { defineEvent, type EventType } from './events.ts'

/** Data of {@link backendLostEvent}. */
export interface BackendLost {
  /** The breaker's name, for example `redis`. */
  readonly backend: string
  /** Code, or class, of the last failure. */
  readonly code: string
}

/** Data of {@link backendRestoredEvent}. */
export interface BackendRestored {
  readonly backend: string
  /** Milliseconds since it was lost. */
  readonly lostFor: number
}

/** What is behind a breaker does not answer any more. Published once, when the breaker opens. */
export const backendLostEvent: EventType<'core.backend_lost', BackendLost> = defineEvent('core.backend_lost')

/** It answers again. Published once, when the breaker closes. */
export const backendRestoredEvent: EventType<'core.backend_restored', BackendRestored> = defineEvent('core.backend_restored')

/** Options of {@link createBreaker}. */
export interface BreakerOptions {
  /** What is behind it, as events name it. Without a name there are no events: somebody else tells. */
  readonly name?: string
  /** For each call, in milliseconds. */
  readonly timeout: number
  /**
   * Makes the error of a call that came to nothing: `late` had no answer in time, and may be carried out all the same; `open` was not
   * made at all.
   */
  readonly unavailable: (why: 'late' | 'open', timeout: number) => Error
  /** Which errors say that nobody is there; any other is an answer. By default all are. A call that is late always counts. */
  readonly isOutage?: (error: unknown) => boolean
  /** For the events. Default: the machine's clock. */
  readonly clock?: Clock
}

/** The way to something outside that may hang, die, and come back. */
export interface Breaker {
  /** Whether calls are refused at the moment. */
  readonly open: boolean
  /** Makes a call, with a deadline. @throws what `unavailable` makes; whatever `work` throws */
  run<T>(work: () => Promise<T>): Promise<T>
}

/** Failures in a row, without an answer between them: one slow call, or one connection that dropped, is no outage. */
const OPENS_AFTER = 3
/** Milliseconds from a failure to the next call that tries whether it is back. */
const TRY_EVERY = 250
/** Calls given up on that a driver may still wait for. Past that many they are tried more seldom, lest they pile up. */
const MOST_ABANDONED = 64
const TRY_SELDOM = 5000

/**
 * A circuit breaker (Nygard, *Release It!*): each call has a deadline; after three failures in a row further calls fail at once,
 * but for one every 250 ms that tries whether there is an answer again. The first answer closes it. So a server that hangs costs
 * its callers a deadline for a moment and nothing after that, and is used again within a second of its return.
 */
export function createBreaker(options: BreakerOptions): Breaker {
  const { name, timeout, unavailable, isOutage = () => true, clock = systemClock } = options
  let failures = 0
  let abandoned = 0
  let lostAt: number | undefined
  let trying = false
  let failedAt = 0

  function succeeded(): void {
    failures = 0
    if (lostAt === undefined) return
    const lostFor = Math.max(0, clock.now() - lostAt)
    lostAt = undefined
    if (name !== undefined) backendRestoredEvent.publish({ backend: name, lostFor }, { clock })
  }

  function failed(error: unknown): void {
    failures += 1
    failedAt = performance.now()
    if (lostAt !== undefined || failures < OPENS_AFTER) return
    lostAt = clock.now()
    if (name !== undefined) backendLostEvent.publish({ backend: name, code: nameOf(error) }, { clock })
  }

  /** One at a time, and some time after the last: a try that hangs takes a whole deadline, and nobody else shall. */
  function mayTry(): boolean {
    return !trying && performance.now() - failedAt >= (abandoned < MOST_ABANDONED ? TRY_EVERY : TRY_SELDOM)
  }

  return {
    get open() {
      return lostAt !== undefined
    },
    run<T>(work: () => Promise<T>): Promise<T> {
      const isTry = lostAt !== undefined
      if (isTry && !mayTry()) return Promise.reject(unavailable('open', timeout))
      if (isTry) trying = true
      const over = (): void => {
        if (isTry) trying = false
      }
      return runInTime(timeout, work, {
        late() {
          over()
          abandoned += 1
          const error = unavailable('late', timeout)
          failed(error)
          return error
        },
        answered(isLate) {
          // What answers at last is back: a server that was frozen need not be tried for.
          if (isLate) abandoned -= 1
          else over()
          succeeded()
        },
        failed(error, isLate) {
          if (isLate) abandoned -= 1
          else over()
          if (!isOutage(error)) succeeded()
          else if (!isLate) failed(error)
        },
      })
    },
  }
}

function nameOf(error: unknown): string {
  if (error instanceof PortcullisError) return error.code
  return error instanceof Error ? error.name : 'unknown'
}
