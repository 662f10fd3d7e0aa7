/** One of the places that a concurrency limit has for a key, taken. */
export interface Seat {
  /** Whether it was given out by this process alone, since the store could not be asked. */
  readonly degraded: boolean
  /** Aborts when the seat is lost while it is held. */
  readonly signal: AbortSignal
  /** Whether it is still ours: one that was lost can't be handed on. */
  readonly held: boolean
  /** Gives it back, and is called once; never rejects. */
  release(): void | Promise<void>
}

/** Gives out seats: at once where it can. `undefined`: all are taken. */
export interface Seats {
  take(key: string): Seat | undefined | Promise<Seat | undefined>
}

/** The seats of this process. A key is remembered only while somebody sits on one of its seats. */
export class LocalSeats implements Seats {
  readonly #max: number
  readonly #degraded: boolean
  readonly #taken = new Map<string, number>()

  constructor(max: number, degraded: boolean) {
    this.#max = max
    this.#degraded = degraded
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#taken.size
  }

  take(key: string): Seat | undefined {
    const taken = this.#taken.get(key) ?? 0
    if (taken >= this.#max) return undefined
    this.#taken.set(key, taken + 1)
    return new LocalSeat(this.#degraded, () => this.#giveBack(key))
  }

  #giveBack(key: string): void {
    const left = (this.#taken.get(key) ?? 0) - 1
    if (left > 0) this.#taken.set(key, left)
    else this.#taken.delete(key)
  }
}

class LocalSeat implements Seat {
  readonly degraded: boolean
  readonly held = true
  readonly #giveBack: () => void
  #signal: AbortSignal | undefined

  constructor(degraded: boolean, giveBack: () => void) {
    this.degraded = degraded
    this.#giveBack = giveBack
  }

  /** Never aborts: nobody else can take it. Made when it is asked for, so that listeners do not pile up on one of all. */
  get signal(): AbortSignal {
    this.#signal ??= new AbortController().signal
    return this.#signal
  }

  release(): void {
    this.#giveBack()
  }
}
