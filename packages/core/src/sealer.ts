import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { PortcullisError } from './errors.ts'

/** The codes of {@link SealerError}. */
export type SealerErrorCode = 'core.sealing_key_invalid' | 'core.sealing_key_unknown' | 'core.seal_broken'

/** A value could not be sealed or opened. */
export class SealerError extends PortcullisError<SealerErrorCode> {}

/**
 * Keeps small secrets (private keys, TOTP seeds) encrypted at rest: AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D §8.2.2:
 * no more than 2^32 values under one key), the key named by its id in what is stored. `tokens` and `mfa` both need it.
 */
export interface Sealer {
  /** The id of the key that seals now. */
  readonly keyId: string
  /**
   * @param context what the value is and whose, for example `mfa.totp:user-1`; a value sealed for one context does not open in another
   * @returns `v1.<key id>.<base64url of nonce, ciphertext and tag>`
   */
  seal(plaintext: Uint8Array, context: string): string
  /** @throws SealerError `core.sealing_key_unknown`, `core.seal_broken` */
  open(sealed: string, context: string): Uint8Array
  /** Whether a sealed value should be sealed anew because the key has changed. */
  isStale(sealed: string): boolean
}

/**
 * @param options.current the id of the key that seals
 * @param options.keys 32 bytes each, by id; those that are not current only open
 * @throws SealerError `core.sealing_key_invalid`
 */
export function createSealer(options: { readonly current: string; readonly keys: Readonly<Record<string, Uint8Array>> }): Sealer {
  const keys = new Map<string, KeyObject>()
  for (const [id, key] of Object.entries(options.keys)) {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(id))
      throw new SealerError('core.sealing_key_invalid', 'a key id has characters outside A-Z a-z 0-9 _ -')
    if (key.byteLength !== 32)
      throw new SealerError('core.sealing_key_invalid', `key ${id} has ${key.byteLength} bytes; AES-256 takes 32`)
    keys.set(id, createSecretKey(key))
  }
  const { current } = options
  const sealing = keys.get(current)
  if (sealing === undefined) throw new SealerError('core.sealing_key_invalid', `no key named ${current} was given`)

  return {
    keyId: current,
    seal(plaintext, context) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', sealing, nonce).setAAD(Buffer.from(context))
      const sealed = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
      return `v1.${current}.${sealed.toString('base64url')}`
    },
    open(sealed, context) {
      const [version, id, text, ...more] = sealed.split('.')
      if (version !== 'v1' || id === undefined || text === undefined || more.length > 0) {
        throw new SealerError('core.seal_broken', 'a sealed value is not in the form v1.<key id>.<bytes>')
      }
      const key = keys.get(id)
      if (key === undefined) throw new SealerError('core.sealing_key_unknown', `no key named ${id} was given`)
      const bytes = Buffer.from(text, 'base64url')
      if (bytes.length < 28) throw new SealerError('core.seal_broken', 'a sealed value is too short')
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 })
        .setAAD(Buffer.from(context))
        .setAuthTag(bytes.subarray(-16))
      try {
        return new Uint8Array(Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]))
      } catch (cause) {
        throw new SealerError('core.seal_broken', 'a sealed value was changed, or sealed for another context', { cause })
      }
    },
    isStale: (sealed) => sealed.split('.')[1] !== current,
  }
}
