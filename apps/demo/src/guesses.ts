import type { Clock, RequestView } from '@portcullis/core'
import {
  type BruteForceGuard,
  createBruteForceGuard,
  createDeviceCookies,
  type DeviceCookies,
  type KnownDevice,
  presets,
  type RateLimitStore,
} from '@portcullis/rate-limit'
import type { Account } from './accounts.ts'

/** Counts guesses, by what is guessed at, before it is looked at. No setting turns them off. */
export interface Guesses {
  readonly passwords: BruteForceGuard
  /** Second factors, of every sort. */
  readonly codes: BruteForceGuard
  /** Asking for a new password, and the codes that are mailed for it. */
  readonly resets: BruteForceGuard
  /** API keys. */
  readonly keys: BruteForceGuard
  /** Who guesses from elsewhere does not use up what an account has on its own devices. */
  readonly devices: DeviceCookies
}

/** @param parts.deviceKey signs device cookies; at least 32 bytes */
export function createGuesses(parts: {
  readonly store: RateLimitStore
  readonly deviceKey: Uint8Array
  readonly clock: Clock
}): Guesses {
  const { store, deviceKey, clock } = parts
  return {
    passwords: createBruteForceGuard({ ...presets.signIn, store, clock }),
    codes: createBruteForceGuard({ ...presets.secondFactor, store, clock }),
    resets: createBruteForceGuard({ ...presets.reset, store, clock }),
    keys: createBruteForceGuard({ ...presets.apiKeys, store, clock }),
    devices: createDeviceCookies({ secret: deviceKey, clock }),
  }
}

/** The device of somebody whose factors are checked: they know an account by its id, and the cookie knows it by its user name. */
export function deviceOf(devices: DeviceCookies, request: RequestView, { id, email }: Account): KnownDevice | undefined {
  const device = devices.read(request, email)
  return device && { id: device.id, account: id }
}
