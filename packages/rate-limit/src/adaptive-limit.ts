/** What a window of ended requests showed. */
export interface LoadSample {
  /** Milliseconds that a request took on average; `undefined`: none was answered. */
  readonly latency: number | undefined
  /** The most that were under way at one time. */
  readonly inFlight: number
  /** Whether much was refused behind this server for lack of capacity. */
  readonly overloaded: boolean
}

/** How many requests a server can bear at one time, as far as its latency tells. */
export interface AdaptiveLimit {
  /** Not a whole number. */
  readonly current: number
  learn(sample: LoadSample): void
}

/** Between what an {@link AdaptiveLimit} moves. */
export interface LimitRange {
  readonly initial: number
  readonly least: number
  readonly most: number
}

/** What is left of a limit after a window in which it was too high (RFC 5681's half is too harsh where a drop is no packet). */
const BACKOFF = 0.9

/** Of a new limit, how much the old one is moved. */
const SMOOTHING = 0.2

/** Windows over which the usual latency is averaged. */
const MEMORY = 600

/** Windows that are averaged evenly before that. */
const WARM_UP = 10

abstract class Adaptive implements AdaptiveLimit {
  readonly #range: LimitRange
  current: number

  constructor(range: LimitRange) {
    this.#range = range
    this.current = range.initial
  }

  learn(sample: LoadSample): void {
    const next = this.next(sample)
    this.current = Math.max(this.#range.least, Math.min(this.#range.most, next))
  }

  protected abstract next(sample: LoadSample): number
}

/**
 * Additive increase, multiplicative decrease (Chiu and Jain 1989; `AIMDLimit` of Netflix concurrency-limits): one more while latency is
 * below a threshold and the limit is used, a tenth less where it is above.
 */
export class AimdLimit extends Adaptive {
  readonly #latency: number

  /** @param latency milliseconds */
  constructor(range: LimitRange, latency: number) {
    super(range)
    this.#latency = latency
  }

  protected next({ latency, inFlight, overloaded }: LoadSample): number {
    if (overloaded || latency === undefined || latency > this.#latency) return this.current * BACKOFF
    return isUsed(inFlight, this.current) ? this.current + 1 : this.current
  }
}

/**
 * Follows the gradient of latency (`Gradient2Limit` of Netflix concurrency-limits, after TCP Vegas, Brakmo and Peterson 1995): the usual
 * latency over the present one. While they are alike the limit grows by the root of itself, a queue that is worth having; as the
 * present one grows the limit shrinks in proportion, by half at most.
 */
export class GradientLimit extends Adaptive {
  readonly #tolerance: number
  #usual = 0
  #windows = 0

  /** @param tolerance how many times the usual latency is no sign of a queue */
  constructor(range: LimitRange, tolerance: number) {
    super(range)
    this.#tolerance = tolerance
  }

  protected next({ latency, inFlight, overloaded }: LoadSample): number {
    if (latency !== undefined) this.#remember(latency)
    if (overloaded || latency === undefined) return this.current * BACKOFF
    if (!isUsed(inFlight, this.current)) return this.current
    const gradient = latency === 0 ? 1 : Math.max(0.5, Math.min(1, (this.#tolerance * this.#usual) / latency))
    const aim = this.current * gradient + Math.sqrt(this.current)
    return this.current + SMOOTHING * (aim - this.current)
  }

  #remember(latency: number): void {
    this.#windows += 1
    if (this.#windows <= WARM_UP) this.#usual += (latency - this.#usual) / this.#windows
    else this.#usual += (latency - this.#usual) * (2 / (MEMORY + 1))
    // After a long time of load: what was usual then is not to be waited out.
    if (this.#usual > 2 * latency) this.#usual *= BACKOFF
  }
}

/** A limit that nobody comes near says nothing of whether it is right. */
function isUsed(inFlight: number, limit: number): boolean {
  return inFlight >= limit / 2
}
