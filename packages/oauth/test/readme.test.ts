import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { serve } from './serve.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

it('the example in the README is the one that is compiled and run here', () => {
  expect(/```ts\n([\s\S]*?)```/.exec(read('../README.md'))?.[1]).toBe(read('./readme-example.ts'))
})

it('the example does what it says', async () => {
  const { paths, server } = await import('./readme-example.ts')
  expect(paths).toEqual(
    expect.arrayContaining(['GET /oauth/authorize', 'POST /oauth/token', 'GET /oauth/userinfo', 'GET /oauth/jwks']),
  )
  const served = await serve(() => server.endpoints)
  const metadata = await (await fetch(`${served.url}/.well-known/openid-configuration`)).json()
  expect(metadata).toMatchObject({ issuer: 'https://login.example.com', code_challenge_methods_supported: ['S256'] })
  const keys = await (await fetch(`${served.url}/oauth/jwks`)).json()
  expect(keys).toMatchObject({ keys: [{ kty: 'EC', alg: 'ES256' }] })
  await served.close()
})
