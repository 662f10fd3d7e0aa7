import { readFileSync } from 'node:fs'
import { expect, it, vi } from 'vitest'
import { register, signIn } from './readme-example.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

it('the README shows exactly the example that runs here', () => {
  expect(/```ts\n([\s\S]*?)```/.exec(read('../README.md'))?.[1]).toBe(read('./readme-example.ts'))
})

it('the example signs in whom it should', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  await register('ada@acme.test', 'correct-horse-ada-battery')
  expect(await signIn('ada@acme.test', 'correct-horse-ada-battery')).toBe(true)
  expect(await signIn('ada@acme.test', 'correct-horse-bob-battery')).toBe(false)
  expect(await signIn('bob@acme.test', 'correct-horse-ada-battery')).toBe(false)
  expect(warn.mock.calls.flat()).toEqual(['password.wrong', 'password.account_unknown'])
})
