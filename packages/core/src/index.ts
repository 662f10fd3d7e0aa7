export type { AttemptContext, AttemptGuard, AttemptIdentity, KnownDevice } from './attempt-guard.ts'
export type { AuditHead } from './audit-chain.ts'
export {
  type AuditEntry,
  type AuditLog,
  type AuditLogOptions,
  type AuditPage,
  type AuditRecord,
  type AuditVerdict,
  createAuditLog,
} from './audit-log.ts'
export { type Form, parseForm, readForm, readJson } from './body.ts'
export {
  type BackendLost,
  type BackendRestored,
  type Breaker,
  type BreakerOptions,
  backendLostEvent,
  backendRestoredEvent,
  createBreaker,
} from './breaker.ts'
export { challenge } from './challenge.ts'
export { type Clock, epochSeconds, systemClock } from './clock.ts'
export { cookieValues, type HostCookieOptions, isHostCookieName, type SameSite, setHostCookie } from './cookie.ts'
export { assertRoutesCovered } from './coverage.ts'
export { withDeadline } from './deadline.ts'
export {
  type DecisionEvent,
  decide,
  decisionEvent,
  type GuardFailedEvent,
  guardFailedEvent,
  settle,
  type Verdict,
} from './decide.ts'
export type { Continue, Decision, Endpoint, Guard, HeaderList, Outcome, Reason, Refusal, Reply } from './decision.ts'
export type { EndpointRoute, RouteInfo } from './endpoint.ts'
export { CoreError, type CoreErrorCode, PortcullisError } from './errors.ts'
export { defineEvent, EVENTS_CHANNEL, type EventContext, type EventType, type SecurityEvent, subscribe } from './events.ts'
export { correlationId, facts, principalOf } from './facts.ts'
export { type MergedHeaders, mergeHeaders } from './headers.ts'
export { createMemoryStore, type MemoryStoreOptions } from './memory-store.ts'
export type { CoverageOptions, OpaqueHandler } from './opaque.ts'
export {
  type AuthenticatedOptions,
  authenticated,
  open,
  type RoutePolicy,
  requirePrincipal,
  type StepUp,
  stepUpRefusal,
} from './policy.ts'
export type { Principal } from './principal.ts'
export { json, type Problem, problem } from './problem.ts'
export { addressRanges, type ClientResolver, type Connection, parseAddress, trustedProxies } from './proxies.ts'
export { readUpTo } from './response-body.ts'
export { createSealer, type Sealer, SealerError, type SealerErrorCode } from './sealer.ts'
export type { Collection, CollectionDeclaration, Json, Keep, Page, Store, Stored, WriteOptions } from './store.ts'
export {
  type CheckedWrite,
  checkId,
  checkIndexKey,
  checkPage,
  checkWrite,
  DeclaredCollections,
  normalizeDeclaration,
} from './store-contract.ts'
export { type Stores, type StoresOptions, stores } from './stores.ts'
export type { Client, MatchedRoute, RequestBody, RequestHeaders, RequestView } from './view.ts'
