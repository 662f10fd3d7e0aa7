import { expect, it, vi } from 'vitest'
import { defineEvent, subscribe } from '../src/index.ts'
import { requestView } from './view.ts'

const happened = defineEvent<'test.happened', { n: number }>('test.happened')

it('an event reaches who listens to its kind, and who listens to all', () => {
  const own = vi.fn()
  const all = vi.fn()
  const stops = [happened.subscribe(own), subscribe(all)]
  const request = requestView()
  happened.publish({ n: 1 }, { request, clock: { now: () => 7 } })
  for (const stop of stops) stop()
  happened.publish({ n: 2 })
  expect(own.mock.calls).toEqual(all.mock.calls)
  expect(own).toHaveBeenCalledExactlyOnceWith({
    type: 'test.happened',
    time: 7,
    ip: '203.0.113.7',
    correlationId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    data: { n: 1 },
  })
})

it('a correlation id is never taken from a header', () => {
  const seen = vi.fn()
  const stop = happened.subscribe(seen)
  happened.publish({ n: 1 }, { request: requestView({ headers: { 'x-request-id': 'forged', traceparent: 'forged' } }) })
  stop()
  expect(JSON.stringify(seen.mock.calls)).not.toContain('forged')
})

it('a listener that throws does not reach whoever published', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const stop = happened.subscribe(() => {
    throw new Error('broken logger')
  })
  expect(() => happened.publish({ n: 1 })).not.toThrow()
  stop()
  expect(warn).toHaveBeenCalledOnce()
  warn.mockRestore()
})
