/** Why somebody left a line without what he waited for. */
export type Left = 'timeout' | 'aborted'

/** How to find out whether there is something to serve, where nobody tells. */
export interface Look {
  /** Milliseconds. */
  readonly every: number
  look(key: string): Promise<void>
}

interface Waiter<T> {
  serve(what: T): void
}

/** Lines of who waits, one for each key: first come, first served; of bounded length; for a bounded time. */
export class WaitingLine<T> {
  readonly #most: number
  readonly #timeout: number
  readonly #lines = new Map<string, Set<Waiter<T>>>()

  /** @param most in one line @param timeout milliseconds */
  constructor(most: number, timeout: number) {
    this.#most = most
    this.#timeout = timeout
  }

  /** How many wait for a key. */
  waiting(key: string): number {
    return this.#lines.get(key)?.size ?? 0
  }

  /** @returns what was served, or why nothing was; `undefined`: the line is full */
  join(key: string, signal: AbortSignal | undefined, looking: Look | undefined): Promise<T | Left> | undefined {
    const line = this.#lines.get(key) ?? new Set<Waiter<T>>()
    if (line.size >= this.#most) return undefined
    if (signal?.aborted === true) return Promise.resolve('aborted')
    this.#lines.set(key, line)
    const wait = new Promise<T | Left>((resolve) => {
      const leave = (with_: T | Left): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        line.delete(waiter)
        if (line.size === 0) this.#lines.delete(key)
        resolve(with_)
      }
      const abort = (): void => leave('aborted')
      const waiter: Waiter<T> = { serve: leave }
      const timer = setTimeout(() => leave('timeout'), this.#timeout)
      signal?.addEventListener('abort', abort, { once: true })
      line.add(waiter)
    })
    if (looking !== undefined && line.size === 1) this.#watch(key, line, looking)
    return wait
  }

  /** Serves who waits longest. @param make is called only if somebody does @returns whether somebody did */
  serve(key: string, make: () => T): boolean {
    const [first] = this.#lines.get(key) ?? []
    first?.serve(make())
    return first !== undefined
  }

  /** One look at a time for each line, however many wait in it. */
  #watch(key: string, line: ReadonlySet<Waiter<T>>, { every, look }: Look): void {
    const again = (): void => {
      // A new line of the same key has its own.
      if (this.#lines.get(key) !== line) return
      // A store that can't be asked: those who wait have their time-out.
      const next = (): void => void setTimeout(again, every)
      look(key).then(next, next)
    }
    setTimeout(again, every)
  }
}
