import type { LoadSample } from './adaptive-limit.ts'

/** Fewer requests than these are chance, not latency. */
const ENOUGH = 10

/** Of all that ended, the part that has to be refused behind this server before it counts as overload: one is no flood. */
const MANY = 0.1

/** Gathers what ended requests show. A window closes with the request that ends after it: there is no timer. */
export class LoadWindow {
  readonly #length: number
  #since: number
  #ended = 0
  #measured = 0
  #total = 0
  #most = 0

  /** @param length milliseconds @param now milliseconds */
  constructor(length: number, now: number) {
    this.#length = length
    this.#since = now
  }

  /** So many are under way. */
  begin(inFlight: number): void {
    if (inFlight > this.#most) this.#most = inFlight
  }

  /**
   * @param latency milliseconds; `undefined`: something behind this server had no capacity for it
   * @param inFlight how many are under way still
   * @returns what the window showed, if this was its end
   */
  end(latency: number | undefined, now: number, inFlight: number): LoadSample | undefined {
    this.#ended += 1
    if (latency !== undefined) {
      this.#measured += 1
      this.#total += latency
    }
    if (this.#ended < ENOUGH || now - this.#since < this.#length) return undefined
    const sample = {
      latency: this.#measured === 0 ? undefined : this.#total / this.#measured,
      inFlight: this.#most,
      overloaded: this.#ended - this.#measured > this.#ended * MANY,
    }
    this.#since = now
    this.#ended = 0
    this.#measured = 0
    this.#total = 0
    this.#most = inFlight
    return sample
  }
}
