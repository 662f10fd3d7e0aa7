/** What the table has to know of what it keeps. */
export interface Droppable {
  /** Whether an answer is awaited: dropped now, it would be made a second time beside the first. */
  readonly busy: boolean
}

/** How many of the oldest are looked at for one that may go. */
const LOOKED_AT = 8

/** Leases by name, bounded: the one unused for longest goes first, and with it what it holds. */
export class LeaseTable<T extends Droppable> {
  readonly #most: number
  readonly #leases = new Map<string, T>()
  /** The one used last: it need not be moved to the end. */
  #last: string | undefined

  constructor(most: number) {
    this.#most = most
  }

  get(name: string): T | undefined {
    const found = this.#leases.get(name)
    if (found === undefined || name === this.#last) return found
    this.#leases.delete(name)
    this.#leases.set(name, found)
    this.#last = name
    return found
  }

  /** Without its being used. */
  peek(name: string): T | undefined {
    return this.#leases.get(name)
  }

  /** @returns whether there was room */
  add(name: string, lease: T): boolean {
    if (this.#leases.size >= this.#most && !this.#dropOne()) return false
    this.#leases.set(name, lease)
    this.#last = name
    return true
  }

  #dropOne(): boolean {
    let looks = 0
    for (const [name, { busy }] of this.#leases) {
      if (!busy) return this.#leases.delete(name)
      looks += 1
      if (looks === LOOKED_AT) break
    }
    return false
  }
}
