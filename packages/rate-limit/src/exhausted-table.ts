/**
 * What is remembered of buckets, bounded: the one unused for longest goes first. What is learnt is not kept where the bucket was forgotten
 * after the question was sent: the answer may be of a time before.
 */
export class ExhaustedTable<T> {
  readonly #most: number
  readonly #known = new Map<string, T>()
  /** The one used last: it need not be moved to the end. */
  #last: string | undefined
  /** Questions that are not answered yet. */
  #underWay = 0
  /** How often something was forgotten while questions were under way. */
  #moment = 0
  /** The last such moment of each bucket, for as long as a question from before it may be under way. */
  readonly #forgotten = new Map<string, number>()
  /** What was asked before this moment is not kept, whatever it is about: too much was forgotten to say of what. */
  #floor = 0

  constructor(most: number) {
    this.#most = most
  }

  get(bucket: string): T | undefined {
    const found = this.#known.get(bucket)
    if (found === undefined || bucket === this.#last) return found
    this.#known.delete(bucket)
    this.#known.set(bucket, found)
    this.#last = bucket
    return found
  }

  /** A question is sent. @returns what {@link set} has to be told of it */
  begin(): number {
    this.#underWay += 1
    return this.#moment
  }

  /** It was answered, or never will be. */
  end(): void {
    this.#underWay -= 1
    if (this.#underWay === 0) this.#forgotten.clear()
  }

  /** @param began when it was asked for */
  set(bucket: string, value: T, began: number): void {
    if (began < this.#floor || (this.#forgotten.get(bucket) ?? 0) > began) return
    this.#known.delete(bucket)
    this.#known.set(bucket, value)
    this.#last = bucket
    if (this.#known.size <= this.#most) return
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest)
      return
    }
  }

  forget(bucket: string): void {
    this.#known.delete(bucket)
    if (this.#underWay === 0) return
    this.#moment += 1
    this.#forgotten.set(bucket, this.#moment)
    if (this.#forgotten.size <= this.#most) return
    this.#forgotten.clear()
    this.#floor = this.#moment
  }
}
