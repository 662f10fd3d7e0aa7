import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { cookieOf, request, withCookie } from './fixture.ts'
import { changeTheme, signedIn, signIn, signOut, signOutElsewhere } from './readme-example.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

it('the README shows exactly the example that runs here', () => {
  expect(/```ts\n([\s\S]*?)```/.exec(read('../README.md'))?.[1]).toBe(read('./readme-example.ts'))
})

it('the example signs in, updates, and signs out here and elsewhere', async () => {
  const here = withCookie(cookieOf((await signIn(request(), 'ada')).headers ?? []))
  const there = withCookie(cookieOf((await signIn(request(), 'ada')).headers ?? []))
  expect(await signedIn(here)).toMatchObject({ type: 'continue', principal: { subject: 'ada' } })
  expect(await changeTheme(here, 'light')).toMatchObject({ status: 200, body: '{"theme":"light"}' })
  expect(await signOutElsewhere(here)).toBe(1)
  expect(await signedIn(there)).toMatchObject({ type: 'reply', reply: { status: 401 } })
  expect((await signOut(here))[0]?.[1]).toContain('Max-Age=0')
  expect(await signedIn(here)).toMatchObject({ type: 'reply', reply: { status: 401 } })
})
