import type { BruteForceLimits } from './brute-force-limits.ts'

/** Limits for what secrets are usually guessed at: {@link presets}. */
export interface BruteForcePresets {
  /** Passwords: before `passwords.verify` of `@portcullis/password`. What a guard does that is told nothing else. */
  readonly signIn: BruteForcePreset
  /**
   * Six-digit codes, behind a first factor that was right: `guard` of the factors of `@portcullis/mfa`. At most 30 a day at one account, and 30 more from its known devices: with
   * three of 1,000,000 codes good at a time, that is one found in fifteen years. Where a code is the only factor, outsiders can use up
   * the account's 30.
   */
  readonly secondFactor: BruteForcePreset
  /**
   * Asking for a reset, and typing its code in: `guard` of `createPasswordReset` and `createRegistration` of `@portcullis/password`.
   * Elsewhere, leave attempts that sent a mail unsettled: each costs. An outsider who uses up an account's limit has had that many mails
   * sent to the owner, any of which resets the password.
   */
  readonly reset: BruteForcePreset
  /**
   * API keys, checked at every request: `guard` of `createApiKeys` of `@portcullis/tokens`. `account` is the public part of a key, never
   * the key. Right ones are given back to the address as well, and the limits are as wide as a client has requests under way.
   */
  readonly apiKeys: BruteForcePreset
  /**
   * User codes of the device flow (RFC 8628 §5.1); `account` is who types them in. For a device flow of your own: `@portcullis/oauth`
   * has none yet.
   */
  readonly deviceCodes: BruteForcePreset
}

/** A name and limits, complete. */
export type BruteForcePreset = Required<BruteForceLimits> & {
  readonly name: string
  readonly addressCounts: 'attempts' | 'failures'
  readonly suspiciousAfter: number
}

const MINUTE = 60
const QUARTER = 900
const HOUR = 3600
const DAY = 86_400

// The wait for the next guess grows from nothing to 90 seconds, 4 minutes, 18 minutes. Not longer: accounts that do not exist are
// counted too, and a memory store keeps what it is still to give back.
const passwords = [
  { name: 'quarter', quota: 10, window: QUARTER },
  { name: 'hourly', quota: 15, window: HOUR },
  { name: 'six-hours', quota: 20, window: 6 * HOUR },
] as const

// Behind a first factor nobody can make accounts up: to 3 minutes, then 144.
const codes = [
  { name: 'quarter', quota: 5, window: QUARTER },
  { name: 'daily', quota: 10, window: DAY },
] as const

const codesOfAccount = [
  { name: 'hourly', quota: 20, window: HOUR },
  { name: 'daily', quota: 30, window: DAY },
] as const

const resets = [
  { name: 'quarter', quota: 3, window: QUARTER },
  { name: 'hourly', quota: 5, window: HOUR },
  { name: 'six-hours', quota: 8, window: 6 * HOUR },
] as const

const resetsOfAccount = [
  { name: 'hourly', quota: 10, window: HOUR },
  { name: 'six-hours', quota: 20, window: 6 * HOUR },
] as const

const keys = [{ name: 'minute', quota: 120, window: MINUTE }] as const
const keysOfAccount = [{ name: 'minute', quota: 1200, window: MINUTE }] as const

/**
 * Options for the guards of a service; what differs is written behind them.
 * @example const codeGuesses = createBruteForceGuard({ ...presets.secondFactor, store })
 */
export const presets: BruteForcePresets = frozen({
  signIn: {
    name: 'sign-in',
    pair: passwords,
    account: [
      { name: 'hourly', quota: 100, window: HOUR },
      { name: 'daily', quota: 500, window: DAY },
    ],
    device: passwords,
    devices: [{ name: 'hourly', quota: 100, window: HOUR }],
    address: [{ name: 'quarter', quota: 200, window: QUARTER }],
    budget: [{ name: 'hourly', quota: 1000, window: HOUR }],
    addressCounts: 'attempts',
    suspiciousAfter: 5,
  },
  secondFactor: {
    name: 'second-factor',
    pair: codes,
    account: codesOfAccount,
    device: codes,
    devices: codesOfAccount,
    address: [{ name: 'quarter', quota: 100, window: QUARTER }],
    budget: [{ name: 'hourly', quota: 500, window: HOUR }],
    addressCounts: 'attempts',
    suspiciousAfter: 3,
  },
  reset: {
    name: 'reset',
    pair: resets,
    account: resetsOfAccount,
    device: resets,
    devices: resetsOfAccount,
    address: [{ name: 'quarter', quota: 30, window: QUARTER }],
    budget: [{ name: 'hourly', quota: 500, window: HOUR }],
    addressCounts: 'attempts',
    suspiciousAfter: 3,
  },
  apiKeys: {
    name: 'api-key',
    pair: keys,
    account: keysOfAccount,
    device: keys,
    devices: keysOfAccount,
    address: [
      { name: 'minute', quota: 300, window: MINUTE },
      { name: 'hourly', quota: 1200, window: HOUR },
    ],
    budget: [{ name: 'hourly', quota: 10_000, window: HOUR }],
    addressCounts: 'failures',
    suspiciousAfter: 100,
  },
  deviceCodes: {
    name: 'device-code',
    pair: codes,
    account: codesOfAccount,
    device: codes,
    devices: codesOfAccount,
    address: [{ name: 'quarter', quota: 50, window: QUARTER }],
    budget: [{ name: 'hourly', quota: 500, window: HOUR }],
    addressCounts: 'attempts',
    suspiciousAfter: 3,
  },
})

function frozen<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object') frozen(part)
  return Object.freeze(value)
}
