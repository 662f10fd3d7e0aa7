import { type Clock, type Sealer, SealerError, systemClock } from '@portcullis/core'
import { seconds } from './options.ts'

/** Options of {@link createDpopNonces}. */
export interface DpopNoncesOptions {
  /** Makes and opens the nonces: processes with the same keys take each other's. */
  readonly sealer: Sealer
  /** Seconds that a nonce is good for. Default: 120. */
  readonly lifetime?: number
  readonly clock?: Clock
}

/** Nonces that a server gives to its clients, so that no proof can be made long before it is used (RFC 9449 §8, §9). */
export interface DpopNonces {
  /** The nonce to give out now. It stays good for at least half of its lifetime. */
  current(): string
  /** `good`; `aging`, good and in its second half: give out another with the answer; `refused`: too old, or not ours. */
  check(nonce: string): 'good' | 'aging' | 'refused'
}

const CONTEXT = 'tokens.dpop_nonce'

/**
 * Nonces that no store has to keep: each is the time of its making, sealed. A process seals one for each half of a lifetime, and
 * not one for each request.
 *
 * @throws TokenError `tokens.options_invalid`
 * @example const dpop = createDpopVerifier({ store, origin, nonces: createDpopNonces({ sealer }) })
 */
export function createDpopNonces(options: DpopNoncesOptions): DpopNonces {
  const { sealer, clock = systemClock } = options
  const lifetime = 1000 * seconds('lifetime', options.lifetime ?? 120, { min: 1, max: 3600 })
  const slice = lifetime / 2
  let given: { readonly nonce: string; readonly sealedAt: number } | undefined

  const timeOf = (nonce: string): number | undefined => {
    if (nonce === given?.nonce) return given.sealedAt
    try {
      return Number(Buffer.from(sealer.open(nonce, CONTEXT)).toString('latin1'))
    } catch (error) {
      if (error instanceof SealerError) return undefined
      throw error
    }
  }

  return {
    current() {
      const now = clock.now()
      // A clock that was set back makes a nonce of unknown age, not a young one.
      if (given === undefined || Math.abs(now - given.sealedAt) >= slice) {
        given = { nonce: sealer.seal(Buffer.from(String(now), 'latin1'), CONTEXT), sealedAt: now }
      }
      return given.nonce
    },
    check(nonce) {
      const sealedAt = timeOf(nonce)
      if (sealedAt === undefined) return 'refused'
      // Without its sign: another process's clock may run ahead.
      const age = Math.abs(clock.now() - sealedAt)
      // So that NaN, of a sealed text that is no time, is refused as well.
      if (!(age < lifetime)) return 'refused'
      return age >= slice ? 'aging' : 'good'
    },
  }
}
