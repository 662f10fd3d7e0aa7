export type { SameSite } from '@portcullis/core'
export { SessionError, type SessionErrorCode } from './errors.ts'
export { everybodyEnded, type SessionEnd, type SessionEvent, sessionEnded, sessionRotated, sessionStarted } from './events.ts'
export { type SessionFacts, type SessionGuardOptions, type SignedInSession, session } from './guard.ts'
export type { IssuedSession, RotateOptions, Session, UpdateResult } from './session.ts'
export {
  type BeginSession,
  createSessions,
  type EndAllOptions,
  type EndingSession,
  type Sessions,
  type SessionsOptions,
} from './sessions.ts'
