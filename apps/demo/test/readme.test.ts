import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

describe('the README’s example', () => {
  let close: () => void
  let base: string

  beforeAll(async () => {
    process.env['PORT'] = '0'
    const { server } = await import('./readme-example.ts')
    if (!server.listening) await new Promise((resolve) => server.once('listening', resolve))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    close = () => server.close()
  })
  afterAll(() => close())

  it('is what stands in the README', async () => {
    const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8')
    const example = await readFile(new URL('./readme-example.ts', import.meta.url), 'utf8')
    expect(/```ts\n([\s\S]*?)```/.exec(readme)?.[1]).toBe(example)
  })

  it('answers the open route, and asks for a token on the other', async () => {
    expect((await fetch(`${base}/healthz`)).status).toBe(200)
    const refused = await fetch(`${base}/invoices`)
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
  })
})
