import { isIP } from 'node:net'
import type { Clock, Sealer, Store } from '@portcullis/core'
import {
  type Assurance,
  createAssurance,
  createRecoveryCodes,
  createTotp,
  type Factor,
  type RecoveryCodes,
  type Totp,
} from '@portcullis/mfa'
import { createPasskeys, type Passkeys } from '@portcullis/mfa/passkeys'
import type { BruteForceGuard } from '@portcullis/rate-limit'

/** What people prove themselves with, besides a password, and what it is worth. */
export interface Factors {
  readonly totp: Totp
  readonly passkeys: Passkeys
  /** Whether browsers use passkeys at PUBLIC_URL: they do with HTTPS under a name, and on localhost. */
  readonly passkeysWork: boolean
  readonly recovery: RecoveryCodes
  readonly assurance: Assurance
  /** What an account can be asked for. */
  enrolled(account: string): Promise<readonly Factor[]>
}

/** @param parts.guesses counts attempts at every second factor, before it is looked at */
export function createFactors(parts: {
  readonly publicUrl: string
  readonly store: Store
  readonly sealer: Sealer
  readonly guesses: BruteForceGuard
  readonly clock: Clock
}): Factors {
  const { publicUrl, store, sealer, guesses: guard, clock } = parts
  const { origin, hostname, protocol } = new URL(publicUrl)
  const passkeysWork = hostname === 'localhost' || (protocol === 'https:' && isIP(hostname.replace(/^\[|\]$/g, '')) === 0)
  const site = passkeysWork ? { rpId: hostname, origins: [origin] } : { rpId: 'localhost', origins: ['http://localhost'] }
  const totp = createTotp({ store, sealer, issuer: 'Ledger', guard, clock })
  const recovery = createRecoveryCodes({ store, guard, clock })
  const passkeys = createPasskeys({ store, ...site, rpName: 'Ledger', guard, clock })
  return {
    totp,
    recovery,
    passkeys,
    passkeysWork,
    assurance: createAssurance(),
    async enrolled(account) {
      const [keys, hasTotp, codes] = await Promise.all([
        passkeys.factors(account),
        totp.enrolled(account),
        recovery.status(account),
      ])
      return [
        { method: 'password' },
        ...keys,
        ...(hasTotp ? [{ method: 'totp' } as const] : []),
        ...((codes?.remaining ?? 0) > 0 ? [{ method: 'recovery_code' } as const] : []),
      ]
    },
  }
}
