import { readFileSync } from 'node:fs'
import type { Reply } from '@portcullis/core'
import { expect, it } from 'vitest'
import { flood, server, signIn } from './readme-example.ts'
import { request } from './support.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

it('the README holds the example that is run here', () => {
  expect(/```ts\n([\s\S]*?)```/.exec(read('../README.md'))?.[1]).toBe(read('./readme-example.ts'))
})

it('the example limits a flood', async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  const answers: Response[] = []
  // Units come back meanwhile: on a slow machine it takes a few more.
  do answers.push(await fetch(`http://127.0.0.1:${address.port}/`))
  while (answers.at(-1)!.status === 200 && answers.length < 500)
  server.close()
  expect(answers[0]!.status).toBe(200)
  expect(answers[0]!.headers.get('ratelimit-policy')).toBe('"burst";q=100;w=60, "daily";q=1000;w=86400')
  expect(answers[0]!.headers.get('ratelimit')).toBe('"burst";r=99;t=60')
  expect(answers.length).toBeGreaterThan(100)
  const last = answers.at(-1)!
  expect(last.status).toBe(429)
  expect(last.headers.get('retry-after')).toBe('1')
  expect(await last.json()).toMatchObject({ 'violated-policies': ['burst'] })
})

it('the example limits guesses, and not who has signed in before', async () => {
  const answers: Reply[] = []
  const guess = async (ip: string, right: boolean, cookie?: string): Promise<Reply> => {
    const answer = await signIn({ ...request(ip), headers: { cookie } }, 'ada@acme.test', async () => right)
    answers.push(answer)
    return answer
  }
  const first = await guess('192.0.2.2', true)
  expect(first).toMatchObject({ status: 200, headers: [['Set-Cookie', expect.stringContaining('__Host-known-device=')]] })
  const cookie = first.headers![0]![1].split(';', 1)[0]!
  for (let n = 0; n < 200; n++) await guess(`198.51.100.${n}`, false)
  expect(answers.slice(1).map(({ status }) => status)).toEqual([...Array(100).fill(401), ...Array(100).fill(429)])
  expect(answers.at(-1)!.headers).toEqual([['Retry-After', expect.stringMatching(/^[1-9]\d?$/)]])
  expect(await guess('192.0.2.2', true)).toMatchObject({ status: 429 })
  expect(await guess('192.0.2.2', true, cookie)).toMatchObject({ status: 200 })
  expect(await flood(request('192.0.2.1'))).toMatchObject({ type: 'continue' })
})
