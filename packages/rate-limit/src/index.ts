export {
  type AllowedAttempt,
  type Attempt,
  type BruteForceGuard,
  type BruteForceOptions,
  createBruteForceGuard,
  type Identity,
  type RefusedAttempt,
} from './brute-force.ts'
export type { BruteForceLimits } from './brute-force-limits.ts'
export {
  createDeviceCookies,
  type DeviceCookieSettings,
  type DeviceCookies,
  type DeviceCookiesOptions,
  type KnownDevice,
} from './device-cookies.ts'
export { RateLimitError, type RateLimitErrorCode } from './errors.ts'
export {
  type GuessesExhausted,
  type GuessRefused,
  guessesExhausted,
  guessRefused,
  type LimitRefused,
  limitRefused,
  type SuspiciousAttempt,
  type SuspiciousSign,
  suspiciousAttempt,
} from './events.ts'
export { type LimitFacts, type LimitOptions, limit } from './guard.ts'
export { type ByAddressOptions, type ByPrincipalOptions, byAddress, byPrincipal, type LimitKey } from './key.ts'
export { createMemoryRateLimitStore, type MemoryRateLimitStore, type MemoryRateLimitStoreOptions } from './memory-store.ts'
export { type Policy, type ScopedPolicy, scopePolicies } from './policy.ts'
export { type BruteForcePreset, type BruteForcePresets, presets } from './presets.ts'
export type { WhenUnavailable } from './stand-in.ts'
export type { RateLimitResult, RateLimitStore, RateLimitVerdict } from './store.ts'
