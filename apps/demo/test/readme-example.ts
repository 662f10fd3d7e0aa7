import { assertCovered, guard, open, portcullis, principalOf } from '@portcullis/express'
import { defineAccess } from '@portcullis/rbac'
import { bearer, createRemoteJwks, createVerifier } from '@portcullis/tokens'
import express from 'express'

const issuer = 'https://login.example.com'
const verifier = createVerifier({ issuer, audience: 'https://api.example.com', keys: createRemoteJwks({ issuer }) })
const caller = bearer({ verifier })
const { permit } = defineAccess({
  resources: { invoice: ['read', 'create'] },
  roles: { viewer: { allow: ['invoice:read'] }, accountant: { inherits: ['viewer'], allow: ['invoice:create'] } },
})

const app = express()
app.use(portcullis())
app.get('/healthz', guard([], open('probe of the load balancer')), (_req, res) => {
  res.json({ status: 'ok' })
})
app.get('/invoices', guard([caller], permit('invoice:read')), (req, res) => {
  res.json({ invoicesOf: principalOf(req)?.tenant })
})

assertCovered(app) // refuses to start when a route declares no rule
export const server = app.listen(Number(process.env['PORT'] ?? 3000))
