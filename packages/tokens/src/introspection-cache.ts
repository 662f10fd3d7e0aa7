import type { Clock } from '@portcullis/core'
import type { JsonObject } from './strict-json.ts'

interface Entry {
  /** What was answered, as text: each reader gets a copy, so that none changes what the next one reads. */
  readonly answer: string | undefined
  /** Milliseconds since the epoch: when the question was asked. */
  readonly askedAt: number
}

/** Answers of an introspection endpoint, by the hash of the token. No more entries, and none older, than it was told. */
export class IntrospectionCache {
  readonly #clock: Clock
  readonly #maxEntries: number
  /** Milliseconds. */
  readonly #maxAge: number
  readonly #maxInactiveAge: number
  // Apart: a flood of tokens that nobody issued pushes out no answer about one that somebody did.
  readonly #active = new Map<string, Entry>()
  readonly #inactive = new Map<string, Entry>()

  /** @param maxAge milliseconds, as `maxInactiveAge` */
  constructor(clock: Clock, limits: { maxEntries: number; maxAge: number; maxInactiveAge: number }) {
    this.#clock = clock
    this.#maxEntries = limits.maxEntries
    this.#maxAge = limits.maxAge
    this.#maxInactiveAge = limits.maxInactiveAge
  }

  /** `undefined`: nothing is known. */
  find(key: string): JsonObject | 'inactive' | undefined {
    const active = this.#active.get(key)
    if (active?.answer !== undefined && this.#isWithin(active, this.#maxAge)) return JSON.parse(active.answer) as JsonObject
    const inactive = this.#inactive.get(key)
    return inactive !== undefined && this.#isWithin(inactive, this.#maxInactiveAge) ? 'inactive' : undefined
  }

  /** @param askedAt milliseconds since the epoch: what was revoked after that, the answer does not know */
  remember(key: string, answer: JsonObject | 'inactive', askedAt: number): void {
    // Whichever is newer counts, and there is one.
    this.#active.delete(key)
    this.#inactive.delete(key)
    const [entries, text] = answer === 'inactive' ? [this.#inactive, undefined] : [this.#active, JSON.stringify(answer)]
    if (entries.size >= this.#maxEntries) entries.delete(entries.keys().next().value as string)
    entries.set(key, { answer: text, askedAt })
  }

  #isWithin({ askedAt }: Entry, span: number): boolean {
    // A clock that was set back must not stretch anything.
    const age = this.#clock.now() - askedAt
    return age >= 0 && age < span
  }
}
