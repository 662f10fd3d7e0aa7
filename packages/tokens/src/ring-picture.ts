import type { Clock } from '@portcullis/core'
import { TokenError } from './errors.ts'
import { type KeyHint, KeyIndex } from './key-source.ts'
import type { VerificationKey } from './keys.ts'
import { type RingAlgorithm, type RingKey, sealedBy } from './ring-key.ts'

/** A key of a ring, as it may be shown. */
export interface RingKeyInfo {
  readonly kid: string
  readonly alg: RingAlgorithm
  /** `published`: in the JWKS and not signing yet; `active`: signs; `retired`: verifies what it signed before. */
  readonly state: 'published' | 'active' | 'retired'
  /** Milliseconds since the epoch; 0 for the first key of a ring. */
  readonly activatesAt: number
  /** When it leaves the ring: milliseconds since the epoch; `undefined` while it has no successor. */
  readonly removesAt: number | undefined
  /** The id of the key that it is sealed under. When no key of the ring names a sealing key any more, that one may go. */
  readonly sealedBy: string
}

/** A ring as it was read at one moment; what its keys are follows from the time of asking. */
export class RingPicture {
  readonly keys: readonly RingKey[]
  readonly readAt: number
  readonly #index: KeyIndex
  readonly #removesAt: ReadonlyMap<string, number>
  readonly #clock: Clock

  constructor(keys: readonly RingKey[], readAt: number, lifetime: number, clock: Clock) {
    this.keys = keys
    this.readAt = readAt
    this.#clock = clock
    this.#index = new KeyIndex(keys.map((key) => key.verificationKey))
    const removals = keys.map((key, place): [string, number] => {
      const successor = keys[place + 1]
      return [key.kid, successor === undefined ? Number.POSITIVE_INFINITY : successor.activatesAt + lifetime]
    })
    this.#removesAt = new Map(removals)
  }

  find(hint: KeyHint): VerificationKey | undefined {
    const found = this.#index.find(hint)
    return found?.kid !== undefined && this.#isPresent(found.kid) ? found : undefined
  }

  present(): readonly RingKey[] {
    return this.keys.filter((key) => this.#isPresent(key.kid))
  }

  gone(): readonly RingKey[] {
    return this.keys.filter((key) => !this.#isPresent(key.kid))
  }

  active(): RingKey {
    const now = this.#clock.now()
    const active = this.keys.findLast((key) => key.activatesAt <= now)
    if (active === undefined) throw new TokenError('tokens.keys_unavailable', 'no key of the ring is active yet', { status: 503 })
    return active
  }

  list(): readonly RingKeyInfo[] {
    const now = this.#clock.now()
    const active = this.active()
    return this.present().map((key) => {
      const removesAt = this.#removesAt.get(key.kid)
      return {
        kid: key.kid,
        alg: key.alg,
        state: key.activatesAt > now ? 'published' : key === active ? 'active' : 'retired',
        activatesAt: key.activatesAt,
        removesAt: removesAt === Number.POSITIVE_INFINITY ? undefined : removesAt,
        sealedBy: sealedBy(key),
      }
    })
  }

  #isPresent(kid: string): boolean {
    return this.#clock.now() < (this.#removesAt.get(kid) ?? 0)
  }
}
