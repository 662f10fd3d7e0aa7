import type { Server } from 'node:http'
import { assertCovered, authenticated, guard, open, portcullis, principalOf } from '@portcullis/fastify'
import { bearer, createRemoteJwks, createVerifier } from '@portcullis/tokens'
import fastify from 'fastify'

const issuer = 'https://login.example.com'
const caller = bearer({
  verifier: createVerifier({ issuer, audience: 'https://api.example.com', keys: createRemoteJwks({ issuer }) }),
})

const app = fastify()
await app.register(portcullis({ trustedProxies: ['10.0.0.0/8'] }))
app.get('/healthz', guard([], open('probe of the load balancer')), async () => ({ status: 'ok' }))
app.get('/me', guard([caller], authenticated()), async (request) => ({ subject: principalOf(request)?.subject }))

await assertCovered(app)
await app.listen({ port: Number(process.env['PORT'] ?? 3000), host: '127.0.0.1' })
export const server: Server = app.server
