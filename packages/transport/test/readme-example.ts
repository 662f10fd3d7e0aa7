import { createServer } from 'node:http'
import type { Guard } from '@portcullis/core'
import { crossOriginProtection, cspNonce, httpsOnly, pageContentSecurityPolicy, securityHeaders } from '@portcullis/transport'

// For the entrance, which runs before routing: `portcullis({ guards: entrance })` of an adapter. Headers first, so that
// refusals carry them too.
export const entrance: readonly Guard[] = [
  securityHeaders(),
  httpsOnly({ allowLoopback: process.env['NODE_ENV'] === 'development' }),
  crossOriginProtection({ allowedOrigins: ['https://app.example.com'], exempt: ['/oauth/token'] }),
]

// A page brings its own policy, which takes the place of the entrance's.
export const page: ReturnType<typeof createServer> = createServer((_req, res) => {
  const nonce = cspNonce()
  const [name, value] = pageContentSecurityPolicy({ nonce, directives: { 'form-action': ["'self'", 'https://app.example.com'] } })
  res.setHeader(name, value).setHeader('Content-Type', 'text/html')
  res.end(`<!doctype html><title>Sign in</title><script nonce="${nonce}">document.forms</script>`)
})
