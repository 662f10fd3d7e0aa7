import { algorithmTraits } from './algorithms.ts'
import { TokenError } from './errors.ts'
import type { VerificationKey } from './keys.ts'

/** What a token's header says about the key that signed it: a hint for the look-up, and never more. */
export interface KeyHint {
  readonly kid?: string
  readonly alg: string
}

/** Where a verifier finds its keys: a fixed set, a key ring, or an issuer's JWKS. */
export interface KeySource {
  /** `hmac`: secrets and nothing else. A verifier takes algorithms of one kind, by this. */
  readonly kind: 'asymmetric' | 'hmac'
  /**
   * The key that a token names. Asked at every verification, so that a key which has gone is gone at once. Answers synchronously
   * whenever it knows; a promise means that something has to be fetched.
   * @returns `undefined`: there is none, or more than one might be meant
   * @throws TokenError `tokens.keys_unavailable` (a rejection, where it is asynchronous)
   */
  find(hint: KeyHint): VerificationKey | undefined | Promise<VerificationKey | undefined>
}

/**
 * A fixed set of keys.
 * @throws TokenError `tokens.options_invalid` for an empty set, `tokens.key_kinds_mixed` when secrets and public keys are in one set:
 * the way to HS/RS confusion; `tokens.key_id_duplicate`
 */
export function createKeySet(keys: readonly VerificationKey[]): KeySource {
  const kinds = new Set(keys.map((key) => (algorithmTraits(key.alg)?.kind === 'hmac' ? 'hmac' : 'asymmetric')))
  const [kind] = kinds
  if (kind === undefined) throw new TokenError('tokens.options_invalid', 'a key set needs a key')
  if (kinds.size > 1) throw new TokenError('tokens.key_kinds_mixed', 'secrets for HMAC and public keys do not go into one set')
  const index = new KeyIndex(keys)
  if (index.duplicates.size > 0) throw new TokenError('tokens.key_id_duplicate', 'two keys of a set have one kid')
  return { kind, find: (hint) => index.find(hint) }
}

/** Keys by what a header may say of them. */
export class KeyIndex<K extends { readonly kid: string | undefined; readonly alg: string } = VerificationKey> {
  /** Every kid that more than one key has; none of those keys is found. */
  readonly duplicates: ReadonlySet<string>
  /** How many keys can be found. */
  readonly size: number
  readonly #byId = new Map<string, K>()
  readonly #all: readonly K[]

  constructor(keys: readonly K[]) {
    const duplicates = new Set<string>()
    for (const key of keys) {
      if (key.kid === undefined) continue
      if (this.#byId.has(key.kid)) duplicates.add(key.kid)
      this.#byId.set(key.kid, key)
    }
    for (const kid of duplicates) this.#byId.delete(kid)
    this.duplicates = duplicates
    this.#all = keys.filter((key) => key.kid === undefined || !duplicates.has(key.kid))
    this.size = this.#all.length
  }

  find(hint: KeyHint): K | undefined {
    if (hint.kid !== undefined) {
      const named = this.#byId.get(hint.kid)
      if (named !== undefined) return named
    }
    return this.#only(hint)
  }

  // A token without kid may mean any key, one with a kid may mean a key that has none: taken when there is no choice. Trying
  // several would let a token choose how much work it is.
  #only(hint: KeyHint): K | undefined {
    let only: K | undefined
    for (const key of this.#all) {
      if (key.alg !== hint.alg || (hint.kid !== undefined && key.kid !== undefined)) continue
      if (only !== undefined) return undefined
      only = key
    }
    return only
  }
}
