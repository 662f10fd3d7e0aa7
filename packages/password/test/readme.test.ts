import { readFileSync } from 'node:fs'
import { expect, it, vi } from 'vitest'
import { outbox, register, reset, signIn } from './readme-example.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

it('the README shows exactly the example that runs here', () => {
  expect(/```ts\n([\s\S]*?)```/.exec(read('../README.md'))?.[1]).toBe(read('./readme-example.ts'))
})

it('the README names every code of an error, of a flaw and of a refusal, and every event', () => {
  const readme = read('../README.md')
  const sources = ['errors', 'events', 'policy', 'one-time-tokens', 'change', 'passwords', 'profile']
  const codes = sources.flatMap((name) => read(`../src/${name}.ts`).match(/'password\.[a-z_]+'/g) ?? [])
  for (const code of new Set(codes)) expect(readme).toContain(code.replaceAll("'", '`'))
})

it('the example signs in whom it should, and brings back who forgot', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  expect(await register('ada@acme.test', 'ledger')).not.toEqual([])
  expect(await register('ada@acme.test', 'correct-horse-ada-battery')).toEqual([])
  expect(await signIn('ada@acme.test', 'correct-horse-ada-battery')).toBe('ok')
  expect(await signIn('ada@acme.test', 'correct-horse-bob-battery')).toBe('refused')
  expect(await signIn('bob@acme.test', 'correct-horse-ada-battery')).toBe('refused')
  expect(warn.mock.calls.flat()).toEqual(['password.wrong', 'password.account_unknown'])

  await reset.request('bob@acme.test')
  await reset.request('ada@acme.test')
  await expect.poll(() => outbox.length, { timeout: 10_000 }).toBe(1)
  const token = outbox[0]!.text.split('#')[1]!
  expect(await reset.redeem(token, 'grotesque tuba gravel')).toMatchObject({ ok: true, secondFactorRequired: false })
  expect(await signIn('ada@acme.test', 'grotesque tuba gravel')).toBe('ok')
  expect(outbox.map(({ to }) => to)).toEqual(['ada@acme.test', 'ada@acme.test'])
})
