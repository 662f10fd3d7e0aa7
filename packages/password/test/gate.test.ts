import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { gateRefusing } from '../src/events.ts'
import { createPasswordGate, gateSize, type PasswordGate } from '../src/gate.ts'

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** So many pieces of work in a gate, each of which ends when told. */
function crowd(gate: PasswordGate, count: number) {
  const started: number[] = []
  const ends = Array.from({ length: count }, deferred)
  const runs = ends.map(({ promise }, i) =>
    gate.run(() => {
      started.push(i)
      return promise
    }),
  )
  return { started, ends, runs }
}

describe('gate', () => {
  it('lets as many run as it has places, and the rest in the order in which they came', async () => {
    const { started, ends, runs } = crowd(createPasswordGate({ size: 2 }), 5)
    await Promise.resolve()
    expect(started).toEqual([0, 1])
    ends[1]!.resolve()
    await runs[1]
    await Promise.resolve()
    expect(started).toEqual([0, 1, 2])
    for (const end of ends) end.resolve()
    await Promise.all(runs)
    expect(started).toEqual([0, 1, 2, 3, 4])
  })

  it('gives the place on when the work fails', async () => {
    const gate = createPasswordGate({ size: 1 })
    const failing = gate.run(() => Promise.reject(new RangeError('broken')))
    const next = gate.run(() => Promise.resolve('ran'))
    await expect(failing).rejects.toThrow('broken')
    expect(await next).toEqual({ ran: 'ran' })
    expect(await gate.run(() => Promise.resolve('again'))).toEqual({ ran: 'again' })
    expect(gate.load).toMatchObject({ running: 0, waiting: 0 })
  })

  it.each([
    [8, undefined, 2],
    [8, '16', 8],
    [16, '8', 6],
    [1, '64', 1],
    [4, '2', 1],
    [4, '1', 1],
    [4, 'many', 2],
  ])('on %i cores with UV_THREADPOOL_SIZE %s has %i places', (cores, pool, places) => {
    expect(gateSize(cores, pool)).toBe(places)
  })

  it('has room for 32 times its size to wait, unless told otherwise', async () => {
    const gate = createPasswordGate({ size: 2 })
    const { ends, runs } = crowd(gate, 67)
    expect(await runs[66]).toHaveProperty('retryAfter')
    expect(gate.load).toMatchObject({ running: 2, waiting: 64, refused: 1 })
    for (const end of ends) end.resolve()
    await Promise.all(runs.slice(0, 66))
    expect(gate.load).toMatchObject({ running: 0, waiting: 0, refused: 1 })
  })

  it.each([{ size: 0 }, { size: 1.5 }, { maxWaiting: -1 }, { maxWait: 0 }, { maxWait: Number.POSITIVE_INFINITY }])(
    'refuses the options %o',
    (options) => {
      expect(() => createPasswordGate(options)).toThrow(expect.objectContaining({ code: 'password.options_invalid' }))
    },
  )
})

describe('a storm of sign-ins', () => {
  let now = 0
  const clock = { now: () => now }

  beforeEach(() => {
    now = 1_000_000
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const advance = async (milliseconds: number): Promise<void> => {
    now += milliseconds
    await vi.advanceTimersByTimeAsync(milliseconds)
  }

  it('finds a queue with an end, and is told so once by an event and each time by a value', async () => {
    const heard: unknown[] = []
    const stop = gateRefusing.subscribe(({ data }) => heard.push(data))
    const gate = createPasswordGate({ size: 1, maxWaiting: 2, clock })
    const { started, ends, runs } = crowd(gate, 1000)
    const refused = await Promise.all(runs.slice(3))
    expect(refused.every((passage) => 'retryAfter' in passage && passage.retryAfter === 1)).toBe(true)
    expect(gate.load).toEqual({ running: 1, waiting: 2, longestWait: 0, refused: 997 })
    expect(heard).toEqual([{ size: 1, waiting: 2, retryAfter: 1 }])

    for (const end of ends) end.resolve()
    await Promise.all(runs.slice(0, 3))
    expect(started).toEqual([0, 1, 2])

    const second = crowd(gate, 4)
    await second.runs[3]
    expect(heard).toHaveLength(2)
    for (const end of second.ends) end.resolve()
    stop()
  })

  it('sends away whoever has waited too long, and keeps who came later', async () => {
    const gate = createPasswordGate({ size: 1, maxWait: 2000, clock })
    const { started, ends, runs } = crowd(gate, 2)
    await advance(1500)
    const later = crowd(gate, 1)
    await advance(500)
    expect(await runs[1]).toHaveProperty('retryAfter')
    expect(gate.load).toEqual({ running: 1, waiting: 1, longestWait: 2000, refused: 1 })
    ends[0]!.resolve()
    later.ends[0]!.resolve()
    await later.runs[0]
    expect(started).toEqual([0])
    expect(later.started).toEqual([0])
  })

  it('says when to come back, from how long the work takes and how much of it there is', async () => {
    const gate = createPasswordGate({ size: 1, maxWaiting: 9, maxWait: 600_000, clock })
    for (let i = 0; i < 40; i++) {
      await gate.run(async () => {
        now += 2000
      })
    }
    const { ends, runs } = crowd(gate, 11)
    const last = await runs[10]!
    expect('retryAfter' in last && last.retryAfter).toBeGreaterThan(15)
    expect('retryAfter' in last && last.retryAfter).toBeLessThanOrEqual(20)
    for (const end of ends) end.resolve()
  })
})
