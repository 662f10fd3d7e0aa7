import {
  authenticated,
  createMemoryStore,
  type EndpointRoute,
  type Guard,
  type Principal,
  problem,
  readForm,
  subscribe,
} from '@portcullis/core'

const store = createMemoryStore()
const invitations = store.collection<{ tenant: string }>({ name: 'app.invitations' })
await invitations.create('welcome-1', { tenant: 'acme' }, { expiresAt: Date.now() + 86_400_000 })

/** Finds out who is calling: here, by a client certificate that the TLS server has verified. */
const certificate: Guard<{ principal: Principal }> = (req) => {
  if (!(req.socket && 'authorized' in req.socket && req.socket.authorized)) {
    return {
      type: 'reply',
      reply: problem({ status: 401 }),
      cause: { code: 'app.no_certificate', message: 'no verified certificate' },
    }
  }
  const principal: Principal = { subject: 'machine-1', kind: 'client', roles: [] }
  return { type: 'continue', principal, facts: { principal } }
}

/** An endpoint with its rule: `app.use(mount([accept]))` of any adapter. A code that `take` gave once is gone. */
export const accept: EndpointRoute = {
  method: 'POST',
  path: '/invitations/accept',
  guards: [certificate],
  policy: authenticated(),
  async endpoint(req) {
    const { code = '' } = await readForm(req)
    const invitation = await invitations.take(code || '-')
    return invitation === undefined ? problem({ status: 404 }) : { status: 200, body: invitation.tenant }
  },
}

/** Every decision of every package, with a reason. */
export const log: string[] = []
export const stop: () => void = subscribe(({ type, correlationId, data }) => {
  log.push(JSON.stringify({ type, correlationId, ...data }))
})
