import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { decide, type Verdict } from '@portcullis/core'
import { expect, test } from 'vitest'
import { entrance, page } from './readme-example.ts'
import { request } from './request.ts'

test('the example of the README is this file', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const example = await readFile(new URL('./readme-example.ts', import.meta.url), 'utf8')
  expect(readme).toContain(`\`\`\`ts\n${example}\`\`\``)
})

test('its entrance lets a good request through and refuses plain HTTP and other origins, with the headers', () => {
  const asked = (req: Parameters<typeof request>[0]): Verdict => decide(request(req), entrance) as Verdict
  expect(asked({ method: 'POST', headers: { origin: 'https://app.example.com' } }).type).toBe('continue')
  const plain = asked({ client: { secure: false, ip: '127.0.0.1', host: 'localhost' } })
  const foreign = asked({ method: 'POST', headers: { origin: 'https://evil.test' } })
  for (const verdict of [plain, foreign]) {
    expect(verdict).toMatchObject({ type: 'reply', reply: { status: 403 } })
    expect(verdict.headers.flat().map(([name]) => name)).toContain('Content-Security-Policy')
  }
  expect(plain.headers.flat().map(([name]) => name)).not.toContain('Strict-Transport-Security')
  expect(asked({ method: 'POST', target: '/oauth/token', headers: { origin: 'https://evil.test' } }).type).toBe('continue')
})

test('its page sends a policy whose nonce its script carries, another one each time', async () => {
  page.listen(0, '127.0.0.1')
  await once(page, 'listening')
  const url = `http://127.0.0.1:${(page.address() as AddressInfo).port}`
  const nonces = new Set<string>()
  for (let at = 0; at < 2; at++) {
    const answer = await fetch(url)
    const nonce = /nonce="([^"]+)"/.exec(await answer.text())?.[1] ?? ''
    const policy = answer.headers.get('content-security-policy')
    expect(policy).toContain(`script-src 'self' 'nonce-${nonce}'`)
    expect(policy).toContain("form-action 'self' https://app.example.com")
    nonces.add(nonce)
  }
  expect(nonces.size).toBe(2)
  page.close()
})
