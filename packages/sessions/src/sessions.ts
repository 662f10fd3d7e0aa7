import {
  type Clock,
  cookieValues,
  type EventContext,
  type HeaderList,
  isHostCookieName,
  type Json,
  type RequestView,
  type SameSite,
  type Store,
  type Stored,
  setHostCookie,
  systemClock,
} from '@portcullis/core'
import { createCutoff } from './cutoff.ts'
import { SessionError } from './errors.ts'
import { everybodyEnded, type SessionEnd, sessionEnded, sessionRotated, sessionStarted } from './events.ts'
import type { IssuedSession, RotateOptions, Session, UpdateResult } from './session.ts'
import { isSessionId, newHandle, newSessionId, sessionKey } from './session-id.ts'
import { expiryOf, isVisitDue, type Lifetimes, type SessionRecord, sessionRecords } from './session-record.ts'

/** Options of {@link createSessions}. */
export interface SessionsOptions {
  /** Keeps the sessions. */
  readonly store: Store
  /** Begins with `__Host-`; `__Host-session` by default. Sessions under different names are strangers to each other. */
  readonly cookieName?: string
  /** Seconds without a visit after which a session is over; 1800 (30 minutes) by default. */
  readonly idleLifetime?: number
  /** Seconds after which it is over in any case; 43200 (12 hours) by default. */
  readonly absoluteLifetime?: number
  /** `Lax` by default: links from other sites arrive signed in, their forms and scripts don't. */
  readonly sameSite?: SameSite
  /**
   * Ends what came out of a session that somebody signed in to, such as its access tokens, before the session itself goes. When it
   * rejects, so does whatever was to end the session, which is then still there: it can be ended again.
   * @example ending: ({ handle }) => revocations.revoke({ kind: 'session', id: handle })
   */
  readonly ending?: (session: EndingSession) => Promise<void>
  readonly clock?: Clock
}

/** A session that is about to end. */
export interface EndingSession {
  readonly handle: string
  readonly subject: string
  readonly by: SessionEnd
}

/** Sessions in a cookie. */
export interface Sessions<Data extends Json> {
  readonly cookieName: string
  /**
   * Begins a session under a new id, and ends the one that the request came with: an id that somebody planted is worth nothing
   * after the sign-in. Without a subject it is anonymous, for what comes before a sign-in.
   * @param begin.until milliseconds since the epoch: it is over then in any case. For a session that must not outlive what it was
   *   proven by, such as a second factor of a certain age
   * @throws SessionError `sessions.subject_invalid`, `sessions.until_invalid`
   */
  start(req: RequestView, begin: BeginSession<Data>): Promise<IssuedSession<Data>>
  /** The session of a request; `undefined` without one, and where the cookie comes twice. */
  read(req: RequestView): Promise<Session<Data> | undefined>
  /**
   * Replaces the data, if nobody else did since the session was read.
   * @throws SessionError `sessions.session_foreign` when the session is not one that this object handed out
   */
  update(session: Session<Data>, data: Data): Promise<UpdateResult<Data>>
  /**
   * A new id for the same session, at every change of privilege (ASVS 7.2.4); the old id is over. `undefined` without a session,
   * and for all but one of several that rotate at once.
   * @throws SessionError `sessions.subject_invalid`, `sessions.until_invalid`, `sessions.subject_conflict` when it belongs to somebody
   *   else: use `start`
   */
  rotate(req: RequestView, options?: RotateOptions<Data>): Promise<IssuedSession<Data> | undefined>
  /** Ends the session of a request; gives the headers that remove the cookie, whether there was a session or not. */
  end(req: RequestView): Promise<HeaderList>
  /** All sessions of a subject, oldest first. */
  list(subject: string): Promise<readonly Session<Data>[]>
  /** Ends one session of a subject by its handle. False: the subject has no such session. */
  endOne(subject: string, handle: string, context?: EventContext): Promise<boolean>
  /**
   * Ends all sessions of a subject, those that are just changing their id among them. Block the account first where no new one
   * shall begin.
   * @param options.except the handle of the one to keep
   * @returns how many it ended
   */
  endAll(subject: string, options?: EndAllOptions): Promise<number>
  /**
   * Ends every session of everybody (ASVS 7.4.5): at once in this process, within five seconds in the others. It is one write, whatever
   * number there is, and asks `ending` for none of them: what came out of them ends by `revocations.revoke({ kind: 'all' })` of
   * `@portcullis/tokens`.
   * @throws SessionError `sessions.store_contended`
   */
  endEverybody(context?: EventContext): Promise<void>
}

/** What {@link Sessions.start} begins. */
export interface BeginSession<Data extends Json> {
  readonly subject?: string
  readonly data: Data
  readonly until?: number
}

/** Options of {@link Sessions.endAll}. */
export interface EndAllOptions extends EventContext {
  /** The handle of the session to keep: mostly the one that asks. */
  readonly except?: string
}

// No browser sends one name this often; more would only multiply the work of a request.
const mostPresented = 16

// Every round that is lost was won by somebody else, so this many in a row mean a store that does not do what it says.
const rounds = 64

/**
 * Sessions whose id is 256 random bits in a `__Host-` cookie, and whose store knows only the id's hash. `Data` must be JSON: give
 * it as a type alias, since an interface is not assignable to `Json`.
 * @throws SessionError `sessions.options_invalid`
 */
export function createSessions<Data extends Json>(options: SessionsOptions): Sessions<Data> {
  const { store, cookieName = '__Host-session', sameSite = 'Lax', ending, clock = systemClock } = options
  const { idleLifetime = 1800, absoluteLifetime = 43_200 } = options
  check(isHostCookieName(cookieName), 'cookieName must be a token that begins with __Host-')
  check(sameSite === 'Lax' || sameSite === 'Strict', 'sameSite must be Lax or Strict')
  check(isSeconds(idleLifetime) && isSeconds(absoluteLifetime), 'lifetimes must be whole seconds, at least 1')
  check(idleLifetime <= absoluteLifetime, 'idleLifetime must not exceed absoluteLifetime')
  const lifetimes: Lifetimes = { idle: idleLifetime * 1000, absolute: absoluteLifetime * 1000 }
  const records = sessionRecords<Data>(store, cookieName, lifetimes)
  const cutoff = createCutoff(store, cookieName, clock)
  const origins = new WeakMap<Session<Data>, { readonly key: string; readonly revision: number }>()

  const present = (key: string, record: SessionRecord<Data>): Session<Data> => {
    const { handle, subject, data, startedAt, seenAt, revision } = record
    const session = { handle, subject, data, startedAt, seenAt, expiresAt: expiryOf(record, lifetimes) }
    origins.set(session, { key, revision })
    return session
  }

  const keysOf = (req: RequestView): string[] =>
    cookieValues(req.headers, cookieName)
      .filter(isSessionId)
      .slice(0, mostPresented)
      .map((id) => sessionKey(cookieName, id))

  /** A stored session that is not over; the store's clock and earlier lifetimes may be more generous than ours. */
  const load = async (key: string): Promise<Stored<SessionRecord<Data>> | undefined> => {
    const [stored, before] = await Promise.all([records.collection.get(key), cutoff.before()])
    return stored && isAlive(stored.value, before) ? stored : undefined
  }

  const isAlive = (record: SessionRecord<Data>, before: number): boolean =>
    expiryOf(record, lifetimes) > clock.now() && record.startedAt > before

  /** Of a request with exactly one cookie of the name: of two, one may be planted, and nobody can tell which. */
  const loadOf = async (req: RequestView): Promise<Stored<SessionRecord<Data>> | undefined> => {
    const [key] = keysOf(req)
    return key !== undefined && cookieValues(req.headers, cookieName).length === 1 ? load(key) : undefined
  }

  const issue = async (record: SessionRecord<Data>): Promise<IssuedSession<Data> & { readonly key: string }> => {
    const id = newSessionId()
    const key = sessionKey(cookieName, id)
    await records.collection.create(key, record, records.options(record))
    return { key, session: present(key, record), headers: [['Set-Cookie', setHostCookie(cookieName, id, { sameSite })]] }
  }

  /** Puts data into a session that no browser knows yet; `undefined`: it was ended already. */
  const carry = async (key: string, data: Data): Promise<Session<Data> | undefined> => {
    const stored = await records.collection.get(key)
    if (stored === undefined) return undefined
    const record = { ...stored.value, data }
    const written = await records.collection.replace(key, stored.version, record, records.options(record))
    return written ? present(key, record) : undefined
  }

  const finish = async (key: string, by: SessionEnd, context: EventContext): Promise<boolean> => {
    const there = ending === undefined ? undefined : await records.collection.get(key)
    if (there?.value.subject !== undefined) await ending?.({ handle: there.value.handle, subject: there.value.subject, by })
    const record = await records.collection.take(key)
    if (record) sessionEnded.publish({ ...named(record), by }, { clock, ...context })
    return record !== undefined
  }

  return {
    cookieName,

    async start(req, { subject, data, until }) {
      checkSubject(subject)
      checkUntil(until)
      for (const key of keysOf(req)) await finish(key, 'replaced', { request: req })
      const now = clock.now()
      const record = {
        handle: newHandle(),
        ...(subject === undefined ? {} : { subject }),
        data,
        startedAt: now,
        seenAt: now,
        ...(until === undefined ? {} : { until }),
        revision: 0,
      }
      const { session, headers } = await issue(record)
      sessionStarted.publish(named(record), { clock, request: req })
      return { session, headers }
    },

    async read(req) {
      const stored = await loadOf(req)
      if (stored === undefined) return undefined
      const now = clock.now()
      if (!isVisitDue(stored.value, now, lifetimes)) return present(stored.id, stored.value)
      const seen = { ...stored.value, seenAt: now }
      if (await records.collection.replace(stored.id, stored.version, seen, records.options(seen)))
        return present(stored.id, seen)
      // Another request wrote down the visit, or somebody ended the session meanwhile: then it is over for this one too.
      const again = await load(stored.id)
      return again && present(again.id, again.value)
    },

    async update(session, data) {
      const origin = origins.get(session)
      if (origin === undefined) throw new SessionError('sessions.session_foreign', 'the session was not read or started here')
      for (let round = 0; round < rounds; round++) {
        const stored = await load(origin.key)
        if (stored === undefined) return lost('sessions.ended', 'the session is over')
        if (stored.value.revision !== origin.revision) return lost('sessions.changed', 'the session was updated meanwhile')
        const record = { ...stored.value, data, revision: origin.revision + 1 }
        const written = await records.collection.replace(stored.id, stored.version, record, records.options(record))
        // What comes between without a new revision is a visit, at most one a minute: the next round sees it.
        if (written) return { ok: true, session: present(origin.key, record) }
      }
      throw contended()
    },

    async rotate(req, { subject, data, until, absolute = 'keep' } = {}) {
      checkSubject(subject)
      checkUntil(until)
      const stored = await loadOf(req)
      if (stored === undefined) return undefined
      const was = stored.value
      if (subject !== undefined && was.subject !== undefined && subject !== was.subject) {
        throw new SessionError('sessions.subject_conflict', 'the session belongs to another subject')
      }
      const now = clock.now()
      const record: SessionRecord<Data> = {
        ...was,
        // Whoever knew the anonymous session's handle shall not know the signed-in one's.
        ...(subject === undefined || subject === was.subject ? {} : { subject, handle: newHandle() }),
        ...(data === undefined ? {} : { data }),
        ...(until === undefined ? {} : { until }),
        startedAt: absolute === 'keep' ? was.startedAt : now,
        seenAt: now,
        revision: was.revision + 1,
      }
      // The new one first: at no moment has a session that is alive no record, so `endAll` can't look in between.
      const issued = await issue(record)
      const taken = await records.collection.take(stored.id)
      if (taken === undefined) {
        await records.collection.remove(issued.key)
        return undefined
      }
      // An update that succeeded while we made the new record must not be lost with the old one.
      const updated = data === undefined && taken.revision !== was.revision
      const session = updated ? await carry(issued.key, taken.data) : issued.session
      if (session === undefined) return undefined
      sessionRotated.publish(named(record), { clock, request: req })
      return { session, headers: issued.headers }
    },

    async end(req) {
      for (const key of keysOf(req)) await finish(key, 'signed_out', { request: req })
      return [['Set-Cookie', setHostCookie(cookieName, '', { sameSite, maxAge: 0 })]]
    },

    async list(subject) {
      const found: Session<Data>[] = []
      const before = await cutoff.before()
      for await (const { id, value } of records.ofSubject(subject)) {
        if (isAlive(value, before)) found.push(present(id, value))
      }
      return found.sort((a, b) => a.startedAt - b.startedAt)
    },

    async endOne(subject, handle, context = {}) {
      let ended = false
      for await (const { id, value } of records.ofHandle(handle)) {
        if (value.subject === subject && (await finish(id, 'ended', context))) ended = true
      }
      return ended
    },

    async endAll(subject, { except, ...context } = {}) {
      let ended = 0
      for (let round = 0; round < rounds; round++) {
        let found = false
        for await (const { id, value } of records.ofSubject(subject)) {
          if (value.handle === except) continue
          found = true
          if (await finish(id, 'all_ended', context)) ended++
        }
        // Only when nothing is found: a session that changed its id while we looked has a new record behind us.
        if (!found) return ended
      }
      throw contended()
    },

    async endEverybody(context = {}) {
      const before = await cutoff.raise()
      if (before === undefined) throw contended()
      everybodyEnded.publish({ before }, { clock, ...context })
    },
  }
}

function named({ handle, subject }: SessionRecord<Json>): { readonly handle: string; readonly subject?: string } {
  return { handle, ...(subject === undefined ? {} : { subject }) }
}

function lost(code: 'sessions.changed' | 'sessions.ended', message: string): UpdateResult<never> {
  return { ok: false, reason: { code, message } }
}

function contended(): SessionError {
  return new SessionError('sessions.store_contended', `no success in ${rounds} rounds with the store`, { status: 503 })
}

function isSeconds(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1
}

function checkSubject(subject: string | undefined): void {
  // The index key is the cookie's name and the subject, and stores take 512 characters.
  if (subject === '' || (subject !== undefined && subject.length > 255)) {
    throw new SessionError('sessions.subject_invalid', 'a subject must have 1 to 255 characters')
  }
}

function checkUntil(until: number | undefined): void {
  if (until !== undefined && !Number.isFinite(until)) {
    throw new SessionError('sessions.until_invalid', 'until must be milliseconds since the epoch')
  }
}

function check(ok: boolean, message: string): void {
  if (!ok) throw new SessionError('sessions.options_invalid', message)
}
