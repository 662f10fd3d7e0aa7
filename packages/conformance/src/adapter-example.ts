import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { it } from 'vitest'

/**
 * The example of an adapter's README, kept as `readme-example.ts` beside the test: it stands in the README letter by letter, and it
 * answers. It listens on `PORT`, has `/healthz` open and `/me` for callers with a token, and exports its `server`.
 * @param testFile the test's own `import.meta.url`
 */
export function adapterExample(testFile: string, load: () => Promise<{ readonly server: Server }>): void {
  const read = (path: string): string => readFileSync(new URL(path, testFile), 'utf8')

  it('the example in the README is the one that is compiled and run here', () => {
    assert.equal(/```ts\n([\s\S]*?)```/.exec(read('../README.md'))?.[1], read('./readme-example.ts'))
  })

  it('the example does what it says', async () => {
    process.env['PORT'] = '0'
    const { server } = await load()
    if (!server.listening) await new Promise((resolve) => server.once('listening', resolve))
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const open = await fetch(`${base}/healthz`)
    assert.deepEqual([open.status, await open.json()], [200, { status: 'ok' }])
    const closed = await fetch(`${base}/me`)
    assert.deepEqual([closed.status, closed.headers.get('www-authenticate')], [401, 'Bearer'])
    server.close()
  })
}
