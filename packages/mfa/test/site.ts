import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMemoryStore } from '@portcullis/core'
import { createPasskeys, type Passkeys, type PasskeysOptions } from '../src/passkeys.ts'

/** A site with passkeys, as small as it gets: no sessions, and a browser that says which one it is. */
export interface Site {
  readonly url: string
  readonly passkeys: Passkeys
  close(): Promise<void>
}

const page = `<!doctype html><title>Passkeys</title>
<input autocomplete="username webauthn">
<script type="module">
  import * as portcullis from '/browser.js'
  window.portcullis = portcullis
  window.ask = async (path, body) => (await fetch(path, { method: 'POST', body: JSON.stringify(body) })).json()
</script>`

/** @param module the compiled browser module */
export async function startSite(module: string, options: Partial<PasskeysOptions> = {}): Promise<Site> {
  const server: Server = createServer((req, res) => {
    answer(req, res).catch((error: unknown) => res.writeHead(500).end(String(error)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://localhost:${(server.address() as AddressInfo).port}`
  const passkeys = createPasskeys({ store: createMemoryStore(), rpId: 'localhost', rpName: 'Test', origins: [url], ...options })

  const routes: Readonly<Record<string, (body: Record<string, string>) => Promise<unknown>>> = {
    '/register/begin': ({ account = '', use }) =>
      passkeys.beginRegistration(account, { browser: 'b', userName: account, ...(use && { use: use as 'second_factor' }) }),
    '/register/finish': ({ account = '', response }) =>
      passkeys.finishRegistration(account, { browser: 'b', response, name: 'Key' }),
    '/sign-in/begin': () => passkeys.beginSignIn({ browser: 'b' }),
    '/sign-in/finish': ({ response }) => passkeys.finishSignIn({ browser: 'b', response }),
    '/second/begin': ({ account = '' }) => passkeys.beginSecondFactor(account, { browser: 'b' }),
    '/second/finish': ({ account = '', response }) => passkeys.finishSecondFactor(account, { browser: 'b', response }),
  }

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (req.url === '/') return void res.setHeader('content-type', 'text/html').end(page)
    if (req.url === '/browser.js') return void res.setHeader('content-type', 'text/javascript').end(module)
    const route = routes[req.url ?? '']
    if (route === undefined) return void res.writeHead(404).end()
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const result = await route(JSON.parse(Buffer.concat(chunks).toString() || '{}') as Record<string, string>)
    res.setHeader('content-type', 'application/json').end(JSON.stringify(result))
  }

  return {
    url,
    passkeys,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
