import { type MeasureOptions, measure, type Subject } from './harness.ts'
import { type Outcome, type Row, row } from './report.ts'

/** One benchmark. */
export interface Bench {
  /** As on the command line; rows may add what they are about: `limit.memory.1` of `limit.memory`. */
  readonly name: string
  run(options: MeasureOptions): Promise<Outcome>
}

/** A peer, and what our speed over its own has to reach. */
export interface Peer extends Subject {
  readonly target?: number
}

/** Times ours against peers, in one run. */
export async function compare(
  bench: string,
  ours: Subject,
  peers: readonly Peer[],
  options: MeasureOptions,
): Promise<readonly Row[]> {
  const speeds = await measure([ours, ...peers], options)
  return peers.map(({ name, target }) =>
    row({ bench, ours: speeds.get(ours.name) ?? 0, unit: 'ops/s', peer: name, theirs: speeds.get(name) ?? 0, target }),
  )
}

/** Times one subject alone, for growth and for absolute targets. */
export async function speedOf(subject: Subject, options: MeasureOptions): Promise<number> {
  return (await measure([subject], options)).get(subject.name) ?? 0
}
