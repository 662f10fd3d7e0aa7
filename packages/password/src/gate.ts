import { availableParallelism } from 'node:os'
import { type Clock, systemClock } from '@portcullis/core'
import { PasswordError } from './errors.ts'
import { gateRefusing } from './events.ts'

/** Options of {@link createPasswordGate}. */
export interface PasswordGateOptions {
  /** The most that run at once. Default: max(1, min(cores, UV_THREADPOOL_SIZE − 2)). */
  readonly size?: number
  /** The most that wait. Default: 32 for each that may run. */
  readonly maxWaiting?: number
  /** The longest that anything waits, in milliseconds. Default: 5000. */
  readonly maxWait?: number
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/** What a gate does at the moment, and has done so far. */
export interface GateLoad {
  readonly running: number
  readonly waiting: number
  /** The longest that anything has waited so far, in milliseconds. */
  readonly longestWait: number
  /** How many were refused so far. */
  readonly refused: number
}

/** Either it ran, or too many wait already: seconds after which another try makes sense. */
export type Passage<T> = { readonly ran: T } | { readonly retryAfter: number }

/** Lets so many pieces of work run at once; so many others wait, first come, first served, and the rest are refused. */
export interface PasswordGate {
  /** The most that run at once. */
  readonly size: number
  readonly load: GateLoad
  run<T>(work: () => Promise<T>): Promise<Passage<T>>
}

interface Waiting {
  readonly since: number
  enter(admitted: boolean): void
}

/** Nobody is told to come back sooner than in a second, or later than in a minute. */
const leastRetryAfter = 1
const mostRetryAfter = 60

/** @throws PasswordError `password.options_invalid` */
export function createPasswordGate(options: PasswordGateOptions = {}): PasswordGate {
  const { UV_THREADPOOL_SIZE } = process.env
  const { size = gateSize(availableParallelism(), UV_THREADPOOL_SIZE), clock = systemClock } = options
  const { maxWaiting = 32 * size, maxWait = 5000 } = options
  if (!isWhole(size, 1) || !isWhole(maxWaiting, 0) || !isWhole(maxWait, 1)) {
    throw new PasswordError(
      'password.options_invalid',
      'size and maxWait are whole numbers of at least 1, maxWaiting of at least 0',
    )
  }

  const waiting: Waiting[] = []
  let running = 0
  let longestWait = 0
  let refused = 0
  let refusing = false
  /** Milliseconds that work takes, as a moving average: what retryAfter is estimated from. */
  let usual = 100
  let timer: NodeJS.Timeout | undefined

  function retryAfter(): number {
    const seconds = Math.ceil((((waiting.length + running) / size) * usual) / 1000)
    return Math.min(mostRetryAfter, Math.max(leastRetryAfter, seconds))
  }

  function refuse(): { readonly retryAfter: number } {
    refused += 1
    const refusal = { retryAfter: retryAfter() }
    if (!refusing) gateRefusing.publish({ size, waiting: waiting.length, ...refusal }, { clock })
    refusing = true
    return refusal
  }

  /** One timer, for the one that has waited longest: the others came later. */
  function watch(): void {
    clearTimeout(timer)
    const [first] = waiting
    if (first === undefined) return
    timer = setTimeout(expire, Math.max(1, first.since + maxWait - clock.now()))
    timer.unref()
  }

  function expire(): void {
    const now = clock.now()
    for (let first = waiting[0]; first !== undefined && now - first.since >= maxWait; first = waiting[0]) {
      waiting.shift()
      longestWait = Math.max(longestWait, now - first.since)
      first.enter(false)
    }
    watch()
  }

  async function admitted(): Promise<boolean> {
    if (running < size) {
      running += 1
      return true
    }
    if (waiting.length >= maxWaiting) return false
    return new Promise((enter) => {
      waiting.push({ since: clock.now(), enter })
      if (waiting.length === 1) watch()
    })
  }

  function leave(): void {
    // The place is handed over and never free in between, so that nobody who comes later slips in first.
    const next = waiting.shift()
    if (next === undefined) {
      running -= 1
      refusing = false
    } else {
      longestWait = Math.max(longestWait, clock.now() - next.since)
      next.enter(true)
    }
    watch()
  }

  return {
    size,
    get load() {
      return { running, waiting: waiting.length, longestWait, refused }
    },
    async run(work) {
      if (!(await admitted())) return refuse()
      const began = clock.now()
      try {
        return { ran: await work() }
      } finally {
        usual += (Math.max(0, clock.now() - began) - usual) / 8
        leave()
      }
    },
  }
}

/**
 * How many hashes may run at once. Each holds a thread of libuv's pool for its whole time; file reads and DNS look-ups need
 * the same threads, so two are left to them where there are more than two.
 */
export function gateSize(cores: number, threadPoolSize: string | undefined): number {
  const threads = threadPoolSize !== undefined && /^[1-9]\d{0,3}$/.test(threadPoolSize) ? Number(threadPoolSize) : 4
  return Math.max(1, Math.min(cores, threads - 2))
}

let shared: PasswordGate | undefined

/** The gate of this process: the pool is the process's, so all `createPasswords` share one unless they are handed another. */
export function processGate(): PasswordGate {
  shared ??= createPasswordGate()
  return shared
}

function isWhole(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least
}
