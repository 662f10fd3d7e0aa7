import { expect, it } from 'vitest'
import { readUpTo } from '../src/index.ts'

it('reads a body up to a size, and nothing where there is none', async () => {
  expect(await readUpTo(new Response(null), 0)).toEqual(new Uint8Array())
  expect(Buffer.from((await readUpTo(new Response('hello'), 5)) ?? []).toString()).toBe('hello')
  expect(await readUpTo(new Response('hello'), 4)).toBeUndefined()
})

it('a body without end is left where it is too long', async () => {
  let cancelled = false
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(1000)),
    cancel: () => {
      cancelled = true
    },
  })
  expect(await readUpTo({ body } as Response, 10_000)).toBeUndefined()
  expect(cancelled).toBe(true)
})
