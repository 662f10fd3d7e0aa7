export { Calendar, type CalendarPeriod, type Period } from './calendar.ts'
export { RateLimitError } from './errors.ts'
export type { Gcra } from './gcra.ts'
export { keyDigest } from './key-digest.ts'
export { type GcraMeter, type LogMeter, type Meter, meterOf } from './meter.ts'
export { checkCost, requireSameNumbers, type ScopedPolicy } from './policy.ts'
export type { RateLimitResult, RateLimitStore, RateLimitVerdict } from './store.ts'
export { type Found, type FoundLog, type GcraFound, keyOf, lets, reservedStart, verdictOf } from './verdict.ts'
export {
  charge,
  type Entry,
  giveBack,
  type LiveLog,
  type LogFound,
  type LogMoment,
  liveLog,
  logFound,
  logLets,
} from './window-log.ts'
