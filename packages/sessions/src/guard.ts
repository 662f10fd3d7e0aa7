import {
  challenge,
  cookieValues,
  type Decision,
  type Guard,
  type Json,
  type Principal,
  problem,
  type Reason,
  type Refusal,
  type RequestView,
} from '@portcullis/core'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'

/** A session of somebody who has signed in. */
export interface SignedInSession<Data extends Json> extends Session<Data> {
  readonly subject: string
}

/** Options of {@link session}. */
export interface SessionGuardOptions<Data extends Json> {
  /**
   * Whom the session speaks for. Look the account up here, and give `undefined` when it is blocked: then it is out at once.
   * Never called for an anonymous session.
   */
  readonly principal: (session: SignedInSession<Data>, req: RequestView) => Principal | undefined | Promise<Principal | undefined>
}

/** What the guard {@link session} found out. */
export interface SessionFacts<Data extends Json> {
  readonly session: SignedInSession<Data>
}

/**
 * Lets a request go on whose cookie names the session of somebody signed in, and says who that is. Any other is answered
 * with 401; all reasons look the same from outside.
 *
 * RFC 9110 §15.5.2 asks for a challenge with a 401, and no registered scheme fits a cookie. This one is
 * `Cookie cookie-name="…"`, after draft-broyer-http-cookie-auth: browsers show the body and ask for nothing. The principal carries
 * it, unless it has its own, so that step-up challenges (RFC 9470) have a scheme to stand in.
 * @example
 * const signedIn = session(sessions, { principal: ({ subject }) => accounts.principal(subject) })
 */
export function session<Data extends Json>(
  sessions: Sessions<Data>,
  { principal: principalOf }: SessionGuardOptions<Data>,
): Guard<SessionFacts<Data>> {
  const scheme = { challenge: { scheme: 'Cookie', params: { 'cookie-name': sessions.cookieName } } }
  const headers = challenge(scheme, {})
  const refuse = (cause: Reason): Refusal => ({ type: 'reply', reply: problem({ status: 401 }, headers), cause })

  return (req) => {
    const presented = cookieValues(req.headers, sessions.cookieName).length
    // Decided without a promise where nothing has to be looked up.
    if (presented === 0) return refuse({ code: 'sessions.cookie_missing', message: 'the request has no session cookie' })
    if (presented > 1) {
      return refuse({ code: 'sessions.cookie_ambiguous', message: `the request has ${presented} session cookies` })
    }
    return lookUp(req)
  }

  async function lookUp(req: RequestView): Promise<Decision<SessionFacts<Data>>> {
    const found = await sessions.read(req)
    if (found === undefined) return refuse({ code: 'sessions.unknown', message: 'the session is over, or never was' })
    if (!isSignedIn(found)) return refuse({ code: 'sessions.anonymous', message: 'nobody has signed in to the session' })
    const principal = await principalOf(found, req)
    if (principal === undefined) {
      return refuse({ code: 'sessions.principal_refused', message: `the application has no principal for ${found.subject}` })
    }
    return { type: 'continue', facts: { session: found }, principal: { ...scheme, ...principal } }
  }
}

function isSignedIn<Data extends Json>(session: Session<Data>): session is SignedInSession<Data> {
  return session.subject !== undefined
}
