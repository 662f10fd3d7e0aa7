import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { mayCreate, mayRead, ownDecider, pdpRoutes, remoteDecider } from './authzen-readme-example.ts'
import { client, user } from './ledger.ts'
import { bearerOf, serve } from './policy-kit.ts'
import { request } from './request.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

test.each(['./authzen-readme-example.ts', './testing-readme.test.ts'])('the README shows %s as it runs', (path) => {
  expect(read('../README.md')).toContain(`\`\`\`ts\n${read(path)}\`\`\``)
})

test('the example decides here and over HTTP alike', async () => {
  const people = new Map([['u1', user(['viewer'])]])
  const own = ownDecider(
    async (id) => people.get(id),
    async (id) => (id === 'i1' ? { tenant: 'acme' } : { tenant: 'globex' }),
  )
  const url = await serve((at) => pdpRoutes(at, own, bearerOf({ gateway: client(['pdp:ask']), other: client([]) })))
  const far = remoteDecider(url, async () => 'gateway')
  for (const decider of [own, far]) {
    expect(await mayRead(decider, request(user([])), 'i1')).toBe(true)
    expect(await mayRead(decider, request(user([])), 'i2')).toBe(false)
    expect(await mayCreate(decider).guard(request(user([])))).toMatchObject({ reply: { status: 403 } })
  }
  expect(
    await mayRead(
      remoteDecider(url, async () => 'other'),
      request(user([])),
      'i1',
    ),
  ).toBe(false)
})
