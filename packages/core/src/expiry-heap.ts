/** Which version of which owner's id expires when. */
export interface Expiry<Owner> {
  readonly at: number
  readonly owner: Owner
  readonly id: string
  readonly version: number
}

/**
 * Finds what expires first: a binary heap, smallest `at` on top. An entry is not taken out when what it speaks of is removed or
 * replaced (that would need a search): whoever pops it looks whether it still holds.
 */
export class ExpiryHeap<Owner> {
  #entries: Expiry<Owner>[] = []

  get size(): number {
    return this.#entries.length
  }

  peek(): Expiry<Owner> | undefined {
    return this.#entries[0]
  }

  push(entry: Expiry<Owner>): void {
    const entries = this.#entries
    let at = entries.length
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = entries[above] as Expiry<Owner>
      if (parent.at <= entry.at) break
      entries[at] = parent
      at = above
    }
    entries[at] = entry
  }

  pop(): Expiry<Owner> | undefined {
    const top = this.#entries[0]
    const last = this.#entries.pop()
    if (last !== undefined && this.#entries.length > 0) this.#sink(0, last)
    return top
  }

  /** Drops the entries that no longer hold. */
  keep(holds: (entry: Expiry<Owner>) => boolean): void {
    this.#entries = this.#entries.filter(holds)
    for (let at = (this.#entries.length >> 1) - 1; at >= 0; at--) this.#sink(at, this.#entries[at] as Expiry<Owner>)
  }

  #sink(from: number, entry: Expiry<Owner>): void {
    const entries = this.#entries
    let at = from
    for (;;) {
      let below = 2 * at + 1
      let child = entries[below]
      if (child === undefined) break
      const other = entries[below + 1]
      if (other !== undefined && other.at < child.at) {
        child = other
        below += 1
      }
      if (entry.at <= child.at) break
      entries[at] = child
      at = below
    }
    entries[at] = entry
  }
}
