import { defineEvent, type EventType } from '@portcullis/core'

/** Which session an event is about: by its handle, never by its id. */
export interface SessionEvent {
  readonly handle: string
  /** Missing where nobody has signed in. */
  readonly subject?: string
}

/** Why a session ended: signed out, a new sign-in in the same browser, or from elsewhere, alone or with all the others. */
export type SessionEnd = 'signed_out' | 'replaced' | 'ended' | 'all_ended'

/** A session began. */
export const sessionStarted: EventType<'sessions.started', SessionEvent> = defineEvent('sessions.started')

/** A session got a new id. */
export const sessionRotated: EventType<'sessions.rotated', SessionEvent> = defineEvent('sessions.rotated')

/** A session was ended. One that runs out by itself publishes nothing: the store forgets it. */
export const sessionEnded: EventType<'sessions.ended', SessionEvent & { readonly by: SessionEnd }> = defineEvent('sessions.ended')

/** Everybody was signed out: every session that had begun by then is over. `before`: milliseconds since the epoch. */
export const everybodyEnded: EventType<'sessions.everybody_ended', { readonly before: number }> =
  defineEvent('sessions.everybody_ended')
