import { randomInt } from 'node:crypto'
import type { DecisionDraft } from './advisor-draft.ts'
import { AdvisorError } from './advisor-errors.ts'
import type { DecisionSampling } from './advisor-line.ts'

/** Options of {@link AllowSampler}. */
export interface AllowSamplerOptions {
  readonly sampleAllows?: number
  /** Seconds. */
  readonly firstEvery?: number
  readonly remembered?: number
  readonly random?: () => number
}

/** Chooses which allowed decisions are written. */
export class AllowSampler {
  readonly #rate: number
  readonly #firstEvery: number
  readonly #remembered: number
  readonly #random: () => number
  /** When something was last written as the first of its kind; in order of that. */
  readonly #firsts = new Map<string, number>()
  readonly #sampling: DecisionSampling

  /** @throws AdvisorError `rbac.decision_log_invalid` */
  constructor({ sampleAllows = 1, firstEvery = 86_400, remembered = 50_000, random = fraction }: AllowSamplerOptions) {
    if (!(sampleAllows >= 0 && sampleAllows <= 1)) throw invalid('sampleAllows is not between 0 and 1')
    if (!(Number.isSafeInteger(firstEvery) && firstEvery >= 0)) throw invalid('firstEvery is not a number of whole seconds')
    if (!(Number.isSafeInteger(remembered) && remembered >= 1)) throw invalid('remembered is not a whole number of 1 or more')
    this.#rate = sampleAllows
    this.#firstEvery = firstEvery * 1000
    this.#remembered = remembered
    this.#random = random
    this.#sampling = { rate: sampleAllows, first: firstEvery > 0 }
  }

  /** @returns what the line says of it; `undefined` where all are written */
  choose(draft: DecisionDraft, time: number): DecisionSampling | 'skip' | undefined {
    if (this.#rate === 1) return undefined
    const isFirst = this.#isFirst(draft, time)
    return isFirst || this.#random() < this.#rate ? this.#sampling : 'skip'
  }

  #isFirst({ kind, tenant, subject, client, permissions }: DecisionDraft, time: number): boolean {
    if (this.#firstEvery === 0 || subject === undefined || permissions.length === 0) return false
    const key = JSON.stringify([kind, tenant, subject, client, ...permissions])
    const before = this.#firsts.get(key)
    if (before !== undefined && time - before < this.#firstEvery) return false
    this.#firsts.delete(key)
    if (this.#firsts.size >= this.#remembered) {
      const [oldest] = this.#firsts.keys()
      if (oldest !== undefined) this.#firsts.delete(oldest)
    }
    this.#firsts.set(key, time)
    return true
  }
}

function fraction(): number {
  return randomInt(2 ** 32) / 2 ** 32
}

function invalid(message: string): AdvisorError {
  return new AdvisorError('rbac.decision_log_invalid', message)
}
