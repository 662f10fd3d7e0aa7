import { expect, it } from 'vitest'
import { assertRoutesCovered, open } from '../src/index.ts'
import { locate } from '../src/node.ts'

it('an application whose routes all declare a policy starts', () => {
  expect(() => assertRoutesCovered([{ method: 'GET', pattern: '/', policy: open('home') }])).not.toThrow()
})

it('an application with a route that declares none does not start, and every such route is named', () => {
  const routes = [
    { method: 'GET', pattern: '/', policy: open('home') },
    { method: 'POST', pattern: '/admin', source: 'src/admin.ts:7' },
    { method: 'GET', pattern: '/late', policy: open('x'), flaw: 'a handler stands before its guard' },
  ]
  expect(() => assertRoutesCovered(routes)).toThrowError(
    expect.objectContaining({
      code: 'core.routes_uncovered',
      message: expect.stringMatching(
        /^2 of 3[\s\S]*POST \/admin \(src\/admin\.ts:7\): declares no policy[\s\S]*GET \/late: a handler/,
      ),
    }),
  )
})

it('a function is located by file and line', () => {
  const [here, missing] = locate([function declared() {}, 7])
  expect(here).toMatch(/coverage\.test\.ts:\d+$/)
  expect(missing).toBeUndefined()
})
