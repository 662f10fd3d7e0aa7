import { readFileSync } from 'node:fs'
import { epochSeconds, type RequestView, systemClock } from '@portcullis/core'
import { expect, it, vi } from 'vitest'
import type { Proof } from '../src/index.ts'
import { authenticator } from './fixture.ts'
import { answer, decide, mayEnrol, passkeys, recovery, totp } from './readme-example.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const req = { client: { ip: undefined, secure: true, host: '' } } as RequestView
const password = (age = 0): Proof => ({ method: 'password', at: epochSeconds(systemClock) - age })

it('the README shows exactly the example that runs here', () => {
  expect(/```ts\n([\s\S]*?)```/.exec(read('../README.md'))?.[1]).toBe(read('./readme-example.ts'))
})

it('the example asks for the second factor that it let somebody enrol, and accepts each code once', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  expect(await decide('ada', [password()])).toMatchObject({ type: 'enough' })
  expect(await mayEnrol('ada', [password(3600)], { method: 'totp' })).toBe(false)
  expect(await mayEnrol('ada', [password()], { method: 'totp' })).toBe(true)
  const app = authenticator((await totp.enrol('ada', { label: 'ada@acme.test' })).uri)
  const now = Date.now()
  expect(await totp.confirm('ada', app.codeAt(now))).toMatchObject({ ok: true })
  const [code = ''] = await recovery.generate('ada')

  expect(await decide('ada', [password()])).toMatchObject({ type: 'more', accept: ['totp', 'recovery_code'] })
  expect(await answer(req, 'ada', app.codeAt(now))).toBeUndefined()
  expect(warn.mock.calls.flat()).toEqual(['mfa.code_used'])
  const proof = await answer(req, 'ada', app.codeAt(now + 30_000))
  expect(await decide('ada', [password(), proof!])).toMatchObject({ type: 'enough', assessment: { aal: 'aal2' } })

  const recovered = await answer(req, 'ada', code)
  expect(await decide('ada', [password(), recovered!])).toMatchObject({ type: 'enough', assessment: { recovered: true } })
  expect(await decide('ada', [password(), recovered!], 300)).toMatchObject({ type: 'more' })
  expect(await mayEnrol('ada', [password(), recovered!], { method: 'totp' })).toBe(true)
})

it('the example signs in by passkey without a user name', async () => {
  expect(await passkeys.beginSignIn({ browser: 'a session' })).toMatchObject({ rpId: 'acme.test', userVerification: 'required' })
})
