import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

it('the example in the README is the one that is compiled and run here', () => {
  expect(/```ts\n([\s\S]*?)```/.exec(read('../README.md'))?.[1]).toBe(read('./readme-example.ts'))
})

it('the example does what it says', async () => {
  process.env['PORT'] = '0'
  const { server } = await import('./readme-example.ts')
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const open = await fetch(`${base}/healthz`)
  expect([open.status, await open.json()]).toEqual([200, { status: 'ok' }])
  const closed = await fetch(`${base}/me`)
  expect([closed.status, closed.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
  server.close()
})
