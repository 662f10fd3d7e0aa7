import type { Server } from 'node:http'
import Router from '@koa/router'
import { assertCovered, authenticated, guard, open, portcullis, principalOf } from '@portcullis/koa'
import { bearer, createRemoteJwks, createVerifier } from '@portcullis/tokens'
import Koa from 'koa'

const issuer = 'https://login.example.com'
const caller = bearer({
  verifier: createVerifier({ issuer, audience: 'https://api.example.com', keys: createRemoteJwks({ issuer }) }),
})

const router = new Router()
router.get('/healthz', guard([], open('probe of the load balancer')), (ctx) => {
  ctx.body = { status: 'ok' }
})
router.get('/me', guard([caller], authenticated()), (ctx) => {
  ctx.body = { subject: principalOf(ctx)?.subject }
})

const app = new Koa()
app.use(portcullis({ trustedProxies: ['10.0.0.0/8'] }))
app.use(router.routes())

assertCovered(app)
export const server: Server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1')
