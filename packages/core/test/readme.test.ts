import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { decide } from '../src/index.ts'
import { requestView } from './view.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

it('the example in the README is the one that is compiled and run here', () => {
  expect(/```ts\n([\s\S]*?)```/.exec(read('../README.md'))?.[1]).toBe(read('./readme-example.ts'))
})

it('the example does what it says', async () => {
  const { accept, log, stop } = await import('./readme-example.ts')
  const form = (socket: object) =>
    requestView({
      method: 'POST',
      socket: socket as never,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: async () => ({ raw: Buffer.from('code=welcome-1') }),
    })
  expect(decide(form({}), accept.guards ?? [], accept.policy)).toMatchObject({ reply: { status: 401 } })
  const known = form({ authorized: true })
  expect(decide(known, accept.guards ?? [], accept.policy)).toMatchObject({ type: 'continue' })
  expect(await accept.endpoint(known)).toEqual({ status: 200, body: 'acme' })
  expect(await accept.endpoint(form({ authorized: true }))).toMatchObject({ status: 404 })
  stop()
  expect(log.map((line) => JSON.parse(line).outcome)).toEqual(['refused', 'allowed'])
})
