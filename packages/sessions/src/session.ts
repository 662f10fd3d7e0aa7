import type { HeaderList, Json, Reason } from '@portcullis/core'

/** A session, as it was when it was read. Times in milliseconds since the epoch. */
export interface Session<Data extends Json> {
  /** Names the session in lists and logs. It opens nothing, and stays the same when the id changes. */
  readonly handle: string
  /** Who signed in; `undefined`: nobody yet. */
  readonly subject: string | undefined
  readonly data: Data
  /** From when the absolute lifetime counts. */
  readonly startedAt: number
  /** The last visit, to about a minute. */
  readonly seenAt: number
  /** When it is over if nobody comes back. */
  readonly expiresAt: number
}

/** A session with the headers that give its id to the browser. */
export interface IssuedSession<Data extends Json> {
  readonly session: Session<Data>
  /** One `Set-Cookie` line; send it, and send it to nobody else: it holds the id. */
  readonly headers: HeaderList
}

/** What `rotate` changes besides the id. */
export interface RotateOptions<Data extends Json> {
  /** Who has signed in, where nobody had. */
  readonly subject?: string
  /** Takes the place of the data, whatever that is by then. Left out, the data stays. */
  readonly data?: Data
  /** As for `start`. Left out, what was said stays. */
  readonly until?: number
  /** `restart` lets the absolute lifetime begin anew: after a full sign-in. `keep` by default. */
  readonly absolute?: 'keep' | 'restart'
}

/** What became of an update: `sessions.changed` when somebody else updated first, `sessions.ended` when it is over. */
export type UpdateResult<Data extends Json> =
  | { readonly ok: true; readonly session: Session<Data> }
  | { readonly ok: false; readonly reason: Reason & { readonly code: 'sessions.changed' | 'sessions.ended' } }
