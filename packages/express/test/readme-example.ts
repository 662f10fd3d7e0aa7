import type { Server } from 'node:http'
import { assertCovered, authenticated, guard, open, portcullis, principalOf } from '@portcullis/express'
import { bearer, createRemoteJwks, createVerifier } from '@portcullis/tokens'
import express from 'express'

const issuer = 'https://login.example.com'
const caller = bearer({
  verifier: createVerifier({ issuer, audience: 'https://api.example.com', keys: createRemoteJwks({ issuer }) }),
})

const app = express()
app.use(portcullis({ trustedProxies: ['10.0.0.0/8'] }))
app.get('/healthz', guard([], open('probe of the load balancer')), (_req, res) => {
  res.json({ status: 'ok' })
})
app.get('/me', guard([caller], authenticated()), (req, res) => {
  res.json({ subject: principalOf(req)?.subject })
})

assertCovered(app)
export const server: Server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1')
