import { createMemoryStore, type Decision, type Guard, type Principal, stepUpRefusal } from '@portcullis/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { createSessions, type SessionFacts, type Sessions, session } from '../src/index.ts'
import { cookieOf, request, timeAt, withCookie } from './fixture.ts'

type Data = { readonly acr: string }

const clock = timeAt(1_800_000_000_000)
const unauthorized = {
  type: 'reply',
  reply: {
    status: 401,
    headers: [
      ['Content-Type', 'application/problem+json'],
      ['Cache-Control', 'no-store'],
      ['WWW-Authenticate', 'Cookie cookie-name="__Host-session"'],
    ],
    body: '{"type":"about:blank","title":"Unauthorized","status":401}',
  },
}

let sessions: Sessions<Data>
let blocked: Set<string>
let asked: string[]
let guard: Guard<SessionFacts<Data>>

beforeEach(() => {
  sessions = createSessions<Data>({ store: createMemoryStore({ clock }), clock })
  blocked = new Set()
  asked = []
  guard = session(sessions, {
    principal({ subject, data }): Principal | undefined {
      asked.push(subject)
      return blocked.has(subject) ? undefined : { subject, kind: 'user', roles: ['viewer'], acr: data.acr }
    },
  })
})

async function cookieFor(subject?: string): Promise<string> {
  const { headers } = await sessions.start(request(), { ...(subject ? { subject } : {}), data: { acr: 'aal1' } })
  return cookieOf(headers)
}

describe('the session guard', () => {
  it('names the principal and gives the session', async () => {
    const decision = await guard(withCookie(await cookieFor('ada')))
    expect(decision).toMatchObject({
      type: 'continue',
      principal: { subject: 'ada', roles: ['viewer'], challenge: { scheme: 'Cookie' } },
      facts: { session: { subject: 'ada', data: { acr: 'aal1' } } },
    })
  })

  it('answers 401 with a challenge (RFC 9110 §15.5.2) without a session, and needs no promise for it', () => {
    expect(guard(request())).toMatchObject({ ...unauthorized, cause: { code: 'sessions.cookie_missing' } })
  })

  it('an anonymous session never becomes a principal', async () => {
    const decision = await guard(withCookie(await cookieFor()))
    expect(decision).toMatchObject({ ...unauthorized, cause: { code: 'sessions.anonymous' } })
    expect(asked).toEqual([])
  })

  it.each<[string, () => Promise<Decision> | Decision, string]>([
    ['two cookies', async () => guard(withCookie(await cookieFor('ada'), await cookieFor('bob'))), 'sessions.cookie_ambiguous'],
    ['an id that nobody issued', () => guard(withCookie(`__Host-session=${'A'.repeat(43)}`)), 'sessions.unknown'],
    ['a value that is no id', () => guard(withCookie('__Host-session=../../etc')), 'sessions.unknown'],
  ])('answers %s like no session, and tells them apart for the log alone', async (_, decide, code) => {
    expect(await decide()).toMatchObject({ ...unauthorized, cause: { code } })
  })

  it('a blocked account is out at once, with its sessions still there', async () => {
    const cookie = await cookieFor('ada')
    expect(await guard(withCookie(cookie))).toMatchObject({ type: 'continue' })
    blocked.add('ada')
    expect(await guard(withCookie(cookie))).toMatchObject({ ...unauthorized, cause: { code: 'sessions.principal_refused' } })
  })

  it('a signed-out session is out at once', async () => {
    const cookie = await cookieFor('ada')
    await sessions.end(withCookie(cookie))
    expect(await guard(withCookie(cookie))).toMatchObject({ ...unauthorized, cause: { code: 'sessions.unknown' } })
  })

  it('gives step-up challenges (RFC 9470) a scheme to stand in', async () => {
    const decision = await guard(withCookie(await cookieFor('ada')))
    if (decision.type !== 'continue' || !decision.principal) throw new TypeError('expected a principal')
    const refusal = stepUpRefusal(decision.principal, { acr: ['aal2'] }, clock)
    expect(refusal?.reply.headers?.find(([name]) => name === 'WWW-Authenticate')?.[1]).toMatch(
      /^Cookie cookie-name="__Host-session", error="insufficient_user_authentication", .*acr_values="aal2"$/,
    )
  })

  it('leaves a principal its own challenge', async () => {
    const own = session(sessions, {
      principal: ({ subject }) => ({ subject, kind: 'user', roles: [], challenge: { scheme: 'Own' } }),
    })
    expect(await own(withCookie(await cookieFor('ada')))).toMatchObject({ principal: { challenge: { scheme: 'Own' } } })
  })
})
