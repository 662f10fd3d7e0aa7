import { describe, expect, it } from 'vitest'
import { compare } from '../src/bench.ts'
import { expectAnswer } from '../src/errors.ts'
import { measure, median, type Subject } from '../src/harness.ts'

/** A clock that moves only when a subject works. */
function laboratory() {
  let time = 0
  const log: string[] = []
  return {
    log,
    now: () => time,
    subject(name: string, ms: number, asynchronous = false): Subject {
      return {
        name,
        run(iterations) {
          log.push(name)
          time += iterations * ms
          return asynchronous ? Promise.resolve() : undefined
        },
      }
    },
  }
}

describe('median', () => {
  it.each([
    [[3], 3],
    [[5, 1, 3], 3],
    [[4, 1, 3, 2], 2.5],
    [[1, 1, 1, 1_000_000], 1],
    [[10, 9, 100], 10],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected)
  })

  it('of nothing is an error', () => {
    expect(() => median([])).toThrow(expect.objectContaining({ code: 'bench.measurement_failed' }))
  })
})

describe('measure', () => {
  it('gives operations a second of each subject', async () => {
    const { now, subject } = laboratory()
    const speeds = await measure([subject('a', 0.001), subject('b', 0.25, true)], { rounds: 7, roundMs: 10, now })
    expect(speeds.get('a')).toBeCloseTo(1_000_000)
    expect(speeds.get('b')).toBeCloseTo(4_000)
  })

  it('runs subjects in turns: A B C, A B C', async () => {
    const { now, subject, log } = laboratory()
    await measure([subject('a', 1), subject('b', 2), subject('c', 3)], { rounds: 7, roundMs: 10, now })
    expect(log.slice(-21).join('')).toBe('abc'.repeat(7))
  })

  it('makes ready before each round what the round uses up, and does not time it', async () => {
    const { now, subject } = laboratory()
    const slow = laboratory()
    const given = subject('a', 1)
    let ready = 0
    const speeds = await measure(
      [
        {
          ...given,
          async prepare(iterations) {
            slow.subject('b', 1000).run(iterations)
            ready = iterations
          },
          run(iterations) {
            expect(ready).toBe(iterations)
            ready = 0
            return given.run(iterations)
          },
        },
      ],
      { rounds: 7, roundMs: 10, now },
    )
    expect(speeds.get('a')).toBeCloseTo(1000)
  })

  it('fills a round with each subject, however fast it is', async () => {
    const { now, subject, log } = laboratory()
    const spans: number[] = []
    const watched = (given: Subject): Subject => ({
      name: given.name,
      run(iterations) {
        const start = now()
        given.run(iterations)
        spans.push(now() - start)
      },
    })
    await measure([watched(subject('fast', 0.0001)), watched(subject('slow', 4))], { rounds: 7, roundMs: 40, now })
    expect(log.length).toBe(spans.length)
    for (const span of spans.slice(-14)) expect(span).toBeCloseTo(40, 0)
  })

  it('is not moved by one round in which the machine did something else', async () => {
    let time = 0
    let rounds = 0
    const subject: Subject = {
      name: 'a',
      run(iterations) {
        rounds++
        time += iterations * (rounds % 5 === 0 ? 100 : 1)
      },
    }
    const speeds = await measure([subject], { rounds: 9, roundMs: 10, now: () => time })
    expect(speeds.get('a')).toBe(1_000)
  })

  it('fails when rounds take no time', async () => {
    const subject: Subject = { name: 'a', run: () => undefined }
    await expect(measure([subject], { rounds: 7, roundMs: 1, now: () => 0 })).rejects.toMatchObject({
      code: 'bench.measurement_failed',
    })
  })
})

describe('compare', () => {
  it('gives a row for each peer, with its own target', async () => {
    const { now, subject } = laboratory()
    const rows = await compare('x', subject('ours', 1), [{ ...subject('p', 2), target: 1.5 }, subject('q', 4)], {
      rounds: 7,
      roundMs: 10,
      now,
    })
    expect(rows).toMatchObject([
      { bench: 'x', ours: 1_000, peer: 'p', theirs: 500, ratio: 2, target: 1.5, pass: true },
      { bench: 'x', ours: 1_000, peer: 'q', theirs: 250, ratio: 4, target: null, pass: null },
    ])
  })
})

describe('a wrong answer', () => {
  it('stops the bench before anything is timed', () => {
    expect(() => expectAnswer('peer', false)).toThrow(expect.objectContaining({ code: 'bench.answer_wrong' }))
    expect(() => expectAnswer('peer', true)).not.toThrow()
  })
})
