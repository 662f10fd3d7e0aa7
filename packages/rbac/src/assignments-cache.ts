import type { Clock } from '@portcullis/core'
import type { Holding } from './assignments-record.ts'

/** How many holdings are kept; the one that was read longest ago goes. */
const mostKept = 10_000

interface Kept {
  readonly holding: Holding | undefined
  /** When reading it began: milliseconds since the epoch. */
  readonly at: number
}

/** Holdings as they were read a moment ago, so that not each request reads them. What expires meanwhile is the reader's to see. */
export class HoldingCache {
  readonly #load: (id: string) => Promise<Holding | undefined>
  readonly #milliseconds: number
  readonly #clock: Clock
  readonly #kept = new Map<string, Kept>()
  #forgotten = 0

  /** @param seconds after which a holding is read again; 0: each time */
  constructor(load: (id: string) => Promise<Holding | undefined>, seconds: number, clock: Clock) {
    this.#load = load
    this.#milliseconds = seconds * 1000
    this.#clock = clock
  }

  async get(id: string): Promise<Holding | undefined> {
    if (this.#milliseconds === 0) return this.#load(id)
    const now = this.#clock.now()
    const kept = this.#kept.get(id)
    // A clock that was set back must not make it last longer.
    if (kept !== undefined && now >= kept.at && now - kept.at < this.#milliseconds) return kept.holding
    const before = this.#forgotten
    const holding = await this.#load(id)
    // A read that was under way while this process wrote may have seen what was there before.
    if (before === this.#forgotten) this.#keep(id, { holding, at: now })
    return holding
  }

  /** It was written here. */
  forget(id: string): void {
    this.#forgotten += 1
    this.#kept.delete(id)
  }

  #keep(id: string, kept: Kept): void {
    this.#kept.delete(id)
    const [oldest] = this.#kept.size >= mostKept ? this.#kept.keys() : []
    if (oldest !== undefined) this.#kept.delete(oldest)
    this.#kept.set(id, kept)
  }
}
