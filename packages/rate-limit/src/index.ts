export type { KnownDevice } from '@portcullis/core'
export type { AddressList } from './address-list.ts'
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
export type { CalendarPeriod } from './calendar.ts'
export {
  type AcquireContext,
  type AcquiredSeat,
  type ConcurrencyAttempt,
  type ConcurrencyLimit,
  type ConcurrencyOptions,
  type ConcurrencyWait,
  createConcurrencyLimit,
  type NoSeat,
  type NoSeatCode,
} from './concurrency.ts'
export { type ConcurrencyFacts, type LimitConcurrencyOptions, limitConcurrency } from './concurrency-guard.ts'
export {
  createDeviceCookies,
  type DeviceCookieSettings,
  type DeviceCookies,
  type DeviceCookiesOptions,
} from './device-cookies.ts'
export { RateLimitError, type RateLimitErrorCode } from './errors.ts'
export {
  type AddressDenied,
  addressDenied,
  type ConcurrencyRefused,
  concurrencyRefused,
  type GuessesExhausted,
  type GuessRefused,
  guessesExhausted,
  guessRefused,
  type LeaseLost,
  type LimitRefused,
  type LimitWouldRefuse,
  leaseLost,
  limitRefused,
  limitWouldRefuse,
  type RequestShed,
  requestShed,
  type SuspiciousAttempt,
  type SuspiciousSign,
  suspiciousAttempt,
} from './events.ts'
export { type RememberExhaustedOptions, rememberExhausted } from './exhausted.ts'
export type { Explanation, PolicyExplanation } from './explain.ts'
export { limit } from './guard.ts'
export type { LimitHeaders } from './headers.ts'
export { type ByAddressOptions, type ByPrincipalOptions, byAddress, byPrincipal, everybody, type LimitKey } from './key.ts'
export { type LeaseQuotaOptions, leaseQuota } from './leased-quota.ts'
export type { LimitFacts, LimitGuard, LimitOptions } from './limit-options.ts'
export { createMemoryRateLimitStore, type MemoryRateLimitStore, type MemoryRateLimitStoreOptions } from './memory-store.ts'
export { type LimitPolicy, type Plans, plans } from './plans.ts'
export {
  type Algorithm,
  type CalendarPolicy,
  type GcraPolicy,
  type Policy,
  type ScopedPolicy,
  scopePolicies,
  type WindowPolicy,
} from './policy.ts'
export { type BruteForcePreset, type BruteForcePresets, presets } from './presets.ts'
export type { ActualCost } from './settlement.ts'
export { type Priority, type ShedFacts, type ShedGuard, type ShedOptions, shed } from './shed.ts'
export type { WhenUnavailable } from './stand-in.ts'
export type { Steering } from './steering.ts'
export type { RateLimitResult, RateLimitStore, RateLimitVerdict } from './store.ts'
