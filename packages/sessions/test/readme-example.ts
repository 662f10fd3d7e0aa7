import {
  createMemoryStore,
  type Guard,
  type HeaderList,
  json,
  type Principal,
  problem,
  type Reply,
  type RequestView,
} from '@portcullis/core'
import { createSessions, type SessionFacts, session } from '@portcullis/sessions'

type Data = { readonly theme: string } // JSON; a type alias, since an interface is not assignable to it

const sessions = createSessions<Data>({ store: createMemoryStore() }) // a store that lasts, in earnest
const accounts = new Map<string, Principal>([['ada', { subject: 'ada', kind: 'user', roles: ['owner'] }]])

/** Hang this on the routes for people who have signed in. */
export const signedIn: Guard<SessionFacts<Data>> = session(sessions, {
  principal: ({ subject }) => accounts.get(subject), // undefined, for a blocked account: 401
})

/** After the password, and the second factor where there is one. */
export async function signIn(req: RequestView, account: string): Promise<Reply> {
  const { headers } = await sessions.start(req, { subject: account, data: { theme: 'dark' } })
  return json({ signedIn: account }, { headers })
}

export async function changeTheme(req: RequestView, theme: string): Promise<Reply> {
  const current = await sessions.read(req)
  if (current === undefined) return problem({ status: 401 })
  const result = await sessions.update(current, { ...current.data, theme })
  return result.ok ? json(result.session.data) : problem({ status: 409 }) // another request changed it first
}

export async function signOut(req: RequestView): Promise<HeaderList> {
  return sessions.end(req)
}

/** After a change of the password: everywhere else, too. */
export async function signOutElsewhere(req: RequestView): Promise<number> {
  const current = await sessions.read(req)
  if (current?.subject === undefined) return 0
  return sessions.endAll(current.subject, { except: current.handle, request: req })
}
