import { type AttemptGuard, type EventContext, PortcullisError } from '@portcullis/core'
import { tokenHash } from './reference-token.ts'
import { INVALID_TOKEN, type Refused } from './refused.ts'

/** Why a key was not looked at. */
export type KeyGuessCode = 'tokens.too_many_attempts'

/** What is presented: the whole text, and the part of it that is public. */
interface Presented {
  readonly token: string
  readonly id: string
}

/** Of one process: 1 MiB or so. */
const MOST_KNOWN = 10_000

// A claim that is not good says nothing about the text: whoever sends it has the secret.
const WRONG: ReadonlySet<string> = new Set(['tokens.reference_unknown', 'tokens.reference_mismatch'])

/**
 * Counts guesses at keys. A key that was right here before is no guess when it comes again: it costs no trip to the guard, and nobody
 * who guesses at it from elsewhere can lock it.
 */
export class KeyGuesses {
  readonly #guard: AttemptGuard
  /** Hashes of keys that were right; the one that was used longest ago goes first. Only right ones get in, so that junk moves none. */
  readonly #known = new Set<string>()

  constructor(guard: AttemptGuard) {
    this.#guard = guard
  }

  /** @param look looks the key up, and compares it */
  async check<T extends { readonly ok: true } | Refused<string>>(
    { token, id }: Presented,
    context: EventContext | undefined,
    look: () => Promise<T>,
  ): Promise<T | Refused<KeyGuessCode>> {
    const hash = tokenHash(token)
    if (this.#known.has(hash)) return this.#learn(hash, await look())
    const attempt = await this.#guard.attempt({ account: id, address: context?.request?.client.ip }, context)
    if (!attempt.allowed) return tooMany(attempt.retryAfter)
    let result: T
    try {
      result = await look()
    } catch (error) {
      await settled(() => attempt.settle('unchecked'))
      throw error
    }
    await settled(() => attempt.settle(isRight(result) ? 'success' : 'failure'))
    return this.#learn(hash, result)
  }

  #learn<T extends { readonly ok: true } | Refused<string>>(hash: string, result: T): T {
    this.#known.delete(hash)
    if (!isRight(result)) return result
    this.#known.add(hash)
    const [oldest] = this.#known
    if (this.#known.size > MOST_KNOWN && oldest !== undefined) this.#known.delete(oldest)
    return result
  }
}

function isRight(result: { readonly ok: true } | Refused<string>): boolean {
  return result.ok || !WRONG.has(result.reason.code)
}

function tooMany(retryAfter: number): Refused<KeyGuessCode> {
  const reason = { code: 'tokens.too_many_attempts', message: 'too many wrong keys with this id, or from this address' } as const
  return { ok: false, reason, answer: INVALID_TOKEN, retryAfter }
}

/** The guard's store is down: the attempt stays counted until time gives it back, and whoever has the key is not turned away for it. */
async function settled(settle: () => Promise<void>): Promise<void> {
  try {
    await settle()
  } catch (error) {
    if (!(error instanceof PortcullisError && error.status === 503)) throw error
  }
}
