import { TokenError } from './errors.ts'

/** Work given up on that may still hang in a driver. More of it would pile up behind what does not answer. */
const MOST_PENDING = 16
// What never answers at all must not be the end either: then one more is tried, once a minute.
const TRY_AGAIN_AFTER = 60_000

/** A deadline on calls to something outside, which may not heed it. */
export class Deadline {
  readonly #timeout: number
  #abandoned = 0
  #abandonedAt = 0

  /** @param timeout milliseconds */
  constructor(timeout: number) {
    this.#timeout = timeout
  }

  /** @throws TokenError `tokens.revocations_unavailable` (503) when time is up; whatever `work` throws */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#abandoned >= MOST_PENDING && performance.now() - this.#abandonedAt < TRY_AGAIN_AFTER) {
      throw unavailable(`${this.#abandoned} calls have not been answered`)
    }
    let timer: NodeJS.Timeout | undefined
    let pending = true
    const working = work().finally(() => {
      if (!pending) this.#abandoned -= 1
      pending = false
    })
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(unavailable(`no answer within ${this.#timeout} ms`)), this.#timeout)
    })
    try {
      return await Promise.race([working, deadline])
    } finally {
      clearTimeout(timer)
      if (pending) {
        pending = false
        this.#abandoned += 1
        this.#abandonedAt = performance.now()
        working.catch(() => undefined)
      }
    }
  }
}

function unavailable(message: string): TokenError {
  return new TokenError('tokens.revocations_unavailable', message, { status: 503 })
}
