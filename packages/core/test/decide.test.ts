import { describe, expect, it } from 'vitest'
import {
  authenticated,
  decide,
  decisionEvent,
  facts,
  type Guard,
  guardFailedEvent,
  type Outcome,
  open,
  PortcullisError,
  type Principal,
  principalOf,
  settle,
  type Verdict,
} from '../src/index.ts'
import { requestView } from './view.ts'

const ada: Principal = { subject: 'ada', kind: 'user', tenant: 'acme', roles: ['owner'] }
const pass: Guard = () => ({ type: 'continue' })
const late: Guard = async () => ({ type: 'continue' })
const refuse: Guard = () => ({ type: 'reply', reply: { status: 403 }, cause: { code: 'test.refused', message: 'for the log' } })

describe('decide', () => {
  it('answers without a promise while no guard awaits', () => {
    expect(decide(requestView(), [pass, pass, pass], open('test'))).toEqual({ type: 'continue', headers: [] })
  })

  it('answers with a promise as soon as one guard awaits, and asks the rest in order', async () => {
    const seen: string[] = []
    const named = (name: string, wait: boolean): Guard => {
      const note = () => {
        seen.push(name)
        return { type: 'continue', headers: [['X-Seen', name]] } as const
      }
      return wait ? async () => note() : note
    }
    const verdict = decide(
      requestView(),
      [named('a', false), named('b', true), named('c', false), named('d', true)],
      open('test'),
    )
    expect(verdict).toBeInstanceOf(Promise)
    expect((await verdict).headers).toEqual([[['X-Seen', 'a']], [['X-Seen', 'b']], [['X-Seen', 'c']], [['X-Seen', 'd']]])
    expect(seen).toEqual(['a', 'b', 'c', 'd'])
  })

  it.each([
    ['synchronous', refuse],
    ['awaited', (async (req) => refuse(req)) satisfies Guard],
  ])('lets the first reply win (%s)', async (_, first) => {
    let asked = false
    const never: Guard = () => {
      asked = true
      return { type: 'continue' }
    }
    const verdict = await decide(requestView(), [pass, first, never], open('test'))
    expect(verdict).toMatchObject({ type: 'reply', reply: { status: 403 } })
    expect(asked).toBe(false)
  })

  it('keeps the headers of guards that let a request on when a later one refuses', () => {
    const verdict = decide(requestView(), [() => ({ type: 'continue', headers: [['RateLimit', '"a";r=1']] }), refuse]) as Verdict
    expect(verdict.headers).toEqual([[['RateLimit', '"a";r=1']]])
  })

  it.each<[string, Guard]>([
    [
      'throws',
      () => {
        throw new Error('the password is hunter2')
      },
    ],
    ['rejects', async () => Promise.reject(new Error('the password is hunter2'))],
    ['throws no error', () => Promise.reject('hunter2')],
    ['answers nonsense', () => ({ type: 'maybe' }) as never],
    ['answers nonsense late', async () => ({ type: 'maybe' }) as never],
  ])('fails closed when a guard %s, and tells the client and the log nothing of the error', async (_, broken) => {
    const events: unknown[] = []
    const stop = guardFailedEvent.subscribe((event) => events.push(event))
    const verdict = await decide(requestView(), [broken, pass], open('test'))
    stop()
    expect(verdict).toMatchObject({ type: 'reply', reply: { status: 500 } })
    expect(JSON.stringify([verdict, events])).not.toContain('hunter2')
    expect(events).toHaveLength(1)
  })

  it('refuses a policy that needs a caller when no guard names one', () => {
    expect(decide(requestView(), [pass], authenticated())).toMatchObject({ type: 'reply', reply: { status: 500 } })
  })

  it('answers 503 when a guard could not ask what it must ask, and 500 for any other error, whatever its status', () => {
    const throwing =
      (status: number): Guard =>
      () => {
        throw new PortcullisError('test.down', 'the store is down', { status })
      }
    expect(decide(requestView(), [throwing(503)])).toMatchObject({ type: 'reply', reply: { status: 503 } })
    for (const status of [200, 400, 404, 500]) {
      expect(decide(requestView(), [throwing(status)])).toMatchObject({ type: 'reply', reply: { status: 500 } })
    }
  })

  it('gives the principal that a guard names to the policy', () => {
    const req = requestView()
    const verdict = decide(req, [() => ({ type: 'continue', principal: ada })], authenticated())
    expect(verdict).toMatchObject({ type: 'continue' })
    expect(principalOf(req)).toBe(ada)
  })

  it.each([
    { subject: 'grace', kind: 'user', tenant: 'acme', roles: [] },
    { subject: 'ada', kind: 'user', tenant: 'globex', roles: [] },
    { subject: 'ada', kind: 'client', tenant: 'acme', roles: [] },
  ] satisfies Principal[])('fails closed when a second guard names somebody else: %o', (other) => {
    const verdict = decide(requestView(), [
      () => ({ type: 'continue', principal: ada }),
      () => ({ type: 'continue', principal: other }),
    ])
    expect(verdict).toMatchObject({ type: 'reply', reply: { status: 500 } })
  })

  it('publishes one event for each decision, with the reason, and one correlation id for the request', async () => {
    const events: { outcome: string; reason: string | undefined; id: string | undefined }[] = []
    const stop = decisionEvent.subscribe(({ data, correlationId }) =>
      events.push({ outcome: data.outcome, reason: data.reason?.code, id: correlationId }),
    )
    const req = requestView()
    await decide(req, [pass], open('test'))
    await decide(req, [refuse], open('test'))
    await decide(requestView(), [late], open('test'))
    stop()
    expect(events.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['allowed', undefined],
      ['refused', 'test.refused'],
      ['allowed', undefined],
    ])
    expect(events[0]?.id).toBe(events[1]?.id)
    expect(events[0]?.id).not.toBe(events[2]?.id)
  })
})

describe('facts', () => {
  it('are typed by the guard that found them', () => {
    const req = requestView()
    const found: Guard<{ answer: number }> = () => ({ type: 'continue', facts: { answer: 42 } })
    decide(req, [found])
    const { answer }: { answer: number } = facts(req, found)
    expect(answer).toBe(42)
  })

  it('throw when that guard did not run', () => {
    expect(() => facts(requestView(), pass)).toThrowError(expect.objectContaining({ code: 'core.facts_missing' }))
  })
})

describe('settle', () => {
  const done: Outcome = { status: 200, completed: true }
  const counting =
    (counts: Outcome[]): Guard =>
    () => ({ type: 'continue', settle: (outcome) => counts.push(outcome) })

  it('reaches every guard once, however often the end is reported', async () => {
    const counts: Outcome[] = []
    const req = requestView()
    await decide(req, [counting(counts), late, counting(counts)], open('test'))
    settle(req, done)
    settle(req, { status: undefined, completed: false })
    expect(counts).toEqual([done, done])
    // Nor does the second report change what a guard that comes late is told.
    await decide(req, [counting(counts)])
    expect(counts).toEqual([done, done, done])
  })

  it('reaches guards before one that refused or threw', () => {
    for (const last of [refuse, (() => JSON.parse('{')) as Guard]) {
      const counts: Outcome[] = []
      const req = requestView()
      decide(req, [counting(counts), last])
      settle(req, done)
      expect(counts).toEqual([done])
    }
  })

  it('reaches a guard whose decision comes after the client has left, and asks no further guard', async () => {
    const counts: Outcome[] = []
    let asked = false
    let release = (): void => {}
    const waiting = new Promise<void>((resolve) => {
      release = resolve
    })
    const req = requestView()
    const slow: Guard = async () => {
      await waiting
      return { type: 'continue', settle: (outcome) => counts.push(outcome) }
    }
    const never: Guard = () => {
      asked = true
      return { type: 'continue' }
    }
    const verdict = decide(req, [slow, never], open('test'))
    settle(req, { status: undefined, completed: false })
    release()
    expect(await verdict).toMatchObject({ type: 'reply' })
    expect(counts).toEqual([{ status: undefined, completed: false }])
    expect(asked).toBe(false)
  })

  it('reaches the others when one of them throws', () => {
    const counts: Outcome[] = []
    const req = requestView()
    const broken: Guard = () => ({
      type: 'continue',
      settle: () => {
        throw new Error('broken')
      },
    })
    decide(req, [broken, counting(counts)])
    settle(req, done)
    expect(counts).toEqual([done])
  })
})
