import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { request } from './support.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

it('the example in the README is the one that is compiled and run here', () => {
  const block = /```ts\n([\s\S]*?)```/.exec(read('../README.md'))?.[1]
  expect(block).toBe(read('./readme-example.ts'))
})

it('the example does what it says', async () => {
  const { access, authenticate, caller, first, issued, jwks, refreshed, revocations, signOut } = await import(
    './readme-example.ts'
  )
  expect(caller).toBe('user-1')
  expect(refreshed).toMatchObject({ ok: true, grant: { subject: 'user-1' }, familyId: first.familyId })
  expect(JSON.parse(String((await jwks.endpoint(request())).body))).toMatchObject({ keys: [{ alg: 'ES256' }] })
  const decision = await authenticate(request({ authorization: `Bearer ${access.token}` }))
  expect(decision).toMatchObject({
    type: 'continue',
    principal: { subject: 'user-1', clientId: 'web', scopes: ['invoice:read'] },
  })
  const key = issued.ok ? issued.key : ''
  expect(await authenticate(request({ authorization: `Bearer ${key}` }))).toMatchObject({ principal: { subject: 'user-1' } })
  expect(await signOut()).toBe(true)
  expect(await authenticate(request({ authorization: `Bearer ${access.token}` }))).toMatchObject({
    reply: { status: 401 },
    cause: { code: 'tokens.revoked' },
  })
  await revocations.close()
})
