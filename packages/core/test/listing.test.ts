import { createRequire } from 'node:module'
import { expect, it } from 'vitest'
import { assertAllCovered, closureOf, describeHandlers, type FoundApplication, locate, seal } from '../src/node.ts'

const nothing: FoundApplication = { routes: [], handlers: [], seal() {} }

function codeOf(run: () => unknown): unknown {
  try {
    run()
    return 'none'
  } catch (error) {
    return (error as { code: unknown }).code
  }
}

it('a bound function is located, and named, by what it is bound to', () => {
  const bound = function declared() {}.bind(undefined).bind(undefined)
  expect(locate([bound])[0]).toMatch(/listing\.test\.ts:\d+$/)
  expect(describeHandlers([{ handler: bound, place: '/*' }])[0]?.name).toBe('declared')
})

it("a package's function without a name is called after the package", () => {
  // What it exports is of no matter: it is a function without a name in a folder of node_modules.
  const file = createRequire(import.meta.url).resolve('ipaddr.js')
  expect(file).toMatch(/node_modules/)
  const made = new Function(`return function () {}\n//# sourceURL=${file}`) as () => unknown
  expect(describeHandlers([{ handler: made(), place: '/*' }])).toMatchObject([{ name: 'ipaddr.js' }])
  const scoped = new Function('return () => {}\n//# sourceURL=/app/node_modules/.pnpm/x/node_modules/@fastify/helmet/index.js')
  expect(describeHandlers([{ handler: (scoped as () => unknown)(), place: '/*' }])).toMatchObject([{ name: '@fastify/helmet' }])
})

it('variables that a function closes over are read, the innermost first, and no others', () => {
  const outer = (): unknown => {
    const [list, shadowed] = [[1], 'outer']
    const before = (): string => shadowed
    return (() => {
      const shadowed = 'inner'
      const also = { of: list }
      return () => [shadowed, also, before]
    })()
  }
  const read = closureOf(outer(), ['also', 'shadowed', 'missing'])
  expect(read).toEqual({ also: { of: [1] }, shadowed: 'inner' })
  expect(closureOf(7, ['x'])).toEqual({})
  expect(closureOf(() => {}, ['also'])).toEqual({})
})

it('a sealed list refuses whatever would change it, names what comes, and may be sealed again', () => {
  const list = [{ name: 'one' }]
  seal(list, ({ name }) => name)
  seal(list, ({ name }) => name)
  const late = { name: 'late' }
  for (const change of [() => list.push(late), () => list.unshift(late), () => list.splice(0, 0, late)]) {
    expect(change).toThrow(
      expect.objectContaining({ code: 'core.application_sealed', message: expect.stringMatching(/^late comes after/) }),
    )
  }
  expect(codeOf(() => list.pop())).toBe('core.application_sealed')
  expect(() => {
    list[0] = late
  }).toThrow(TypeError)
  expect(list).toEqual([{ name: 'one' }])
})

it('an application is sealed when all of it is covered, and not before', () => {
  let sealed = 0
  const found = { ...nothing, seal: () => sealed++ }
  const handlers = [{ handler: function serveFiles() {}, place: '/files/*' }]
  const raw = [{ method: 'GET', pattern: '/', stack: [] }]
  expect(codeOf(() => assertAllCovered(false, found))).toBe('core.entrance_missing')
  expect(codeOf(() => assertAllCovered(true, { ...found, routes: raw }))).toBe('core.routes_uncovered')
  expect(codeOf(() => assertAllCovered(true, { ...found, handlers }))).toBe('core.handlers_opaque')
  expect(codeOf(() => assertAllCovered(true, { ...found, handlers }, { opaque: ['serveFiles', 'gone'] }))).toBe(
    'core.acknowledgement_stale',
  )
  expect(sealed).toBe(0)
  assertAllCovered(true, { ...found, handlers }, { opaque: ['serveFiles'] })
  expect(sealed).toBe(1)
})
