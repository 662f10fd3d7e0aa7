import { BenchError } from './errors.ts'

/** Something that is timed: ours, or a peer. */
export interface Subject {
  readonly name: string
  /** Does the work so many times, in a loop of its own: a loop shared by subjects would be compiled for none of them. */
  run(iterations: number): unknown
  /** Makes ready what a round of so many uses up. It is not timed. */
  prepare?(iterations: number): Promise<void>
}

/** How long to measure, and by what clock. */
export interface MeasureOptions {
  readonly rounds: number
  /** Milliseconds. */
  readonly roundMs: number
  /** Milliseconds, monotonic. */
  readonly now?: () => number
}

/**
 * Times subjects in turns, A B C, A B C, and gives the median of each: whatever else the machine does in the meantime meets all
 * of them alike. Subjects warm up while it is found out how many iterations fill a round.
 * @returns operations a second, by subject
 * @throws BenchError `bench.measurement_failed` when a round takes no time that can be measured
 */
export async function measure(subjects: readonly Subject[], options: MeasureOptions): Promise<ReadonlyMap<string, number>> {
  const { rounds, roundMs, now = () => performance.now() } = options
  const sizes: number[] = []
  for (const subject of subjects) sizes.push(await calibrate(subject, roundMs, now))
  const speeds = subjects.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, subject] of subjects.entries()) {
      const iterations = sizes[i] ?? 1
      speeds[i]?.push((iterations * 1000) / (await time(subject, iterations, now)))
    }
  }
  return new Map(subjects.map((subject, i) => [subject.name, median(speeds[i] ?? [])]))
}

/** @throws BenchError `bench.measurement_failed` for an empty list */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[sorted.length >> 1]
  const lower = sorted[(sorted.length - 1) >> 1]
  if (upper === undefined || lower === undefined) throw new BenchError('bench.measurement_failed', 'nothing was measured')
  return (upper + lower) / 2
}

/** How many iterations fill a round, found by doubling; twice, since the first time is half interpreted. */
async function calibrate(subject: Subject, roundMs: number, now: () => number): Promise<number> {
  let iterations = 1
  for (let pass = 0; pass < 2; pass++) {
    let took = await time(subject, iterations, now, 0)
    while (took < roundMs / 2 && iterations < 2 ** 30) {
      iterations *= 2
      took = await time(subject, iterations, now, 0)
    }
    iterations = Math.max(1, Math.round((iterations * roundMs) / Math.max(took, roundMs / 1000)))
  }
  return iterations
}

async function time(subject: Subject, iterations: number, now: () => number, least = Number.MIN_VALUE): Promise<number> {
  await subject.prepare?.(iterations)
  const start = now()
  const done = subject.run(iterations)
  // Awaiting what is no promise would charge a synchronous subject a turn of the loop.
  if (done instanceof Promise) await done
  const took = now() - start
  if (!(took >= least)) throw new BenchError('bench.measurement_failed', `a round of ${subject.name} took no time`)
  return took
}
