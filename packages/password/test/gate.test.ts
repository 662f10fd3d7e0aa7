import { describe, expect, it } from 'vitest'
import { createGate, gateSize } from '../src/gate.ts'

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

describe('gate', () => {
  it('lets as many run as it has places, and the rest in the order in which they came', async () => {
    const gate = createGate(2)
    const started: number[] = []
    const ends = Array.from({ length: 5 }, deferred)
    const runs = ends.map(({ promise }, i) =>
      gate.run(() => {
        started.push(i)
        return promise
      }),
    )
    expect(started).toEqual([0, 1])
    ends[1]!.resolve()
    await runs[1]
    expect(started).toEqual([0, 1, 2])
    for (const end of ends) end.resolve()
    await Promise.all(runs)
    expect(started).toEqual([0, 1, 2, 3, 4])
  })

  it('gives the place on when the work fails', async () => {
    const gate = createGate(1)
    const failing = gate.run(() => Promise.reject(new RangeError('broken')))
    const next = gate.run(() => Promise.resolve('ran'))
    await expect(failing).rejects.toThrow('broken')
    expect(await next).toBe('ran')
    expect(await gate.run(() => Promise.resolve('again'))).toBe('again')
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
})
