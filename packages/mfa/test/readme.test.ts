import { readFileSync } from 'node:fs'
import type { RequestView } from '@portcullis/core'
import { expect, it, vi } from 'vitest'
import { authenticator } from './fixture.ts'
import { begin, finish, secondFactor } from './readme-example.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const req = { client: { ip: undefined, secure: true, host: '' } } as RequestView

it('the README shows exactly the example that runs here', () => {
  expect(/```ts\n([\s\S]*?)```/.exec(read('../README.md'))?.[1]).toBe(read('./readme-example.ts'))
})

it('the example enrols, and accepts each code once', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const app = authenticator((await begin('ada', 'ada@acme.test')).uri)
  const now = Date.now()
  expect(await finish(req, 'ada', app.codeAt(now))).toBe(true)
  expect(await secondFactor(req, 'ada', app.codeAt(now))).toBe(false)
  expect(await secondFactor(req, 'ada', app.codeAt(now + 30_000))).toBe(true)
  expect(warn.mock.calls.flat()).toEqual(['mfa.code_used'])
})
