import { type MeasureOptions, measure, type Subject } from '../harness.ts'
import { type Growth, type Row, row } from '../report.ts'

/** Rules, a decade a step. */
const SIZES: readonly number[] = [50, 500, 5_000]

/** What a decision at 5,000 rules has to keep of its speed at 50: it is the same work. */
const FLAT = 0.8

/**
 * Ours at each size, in turns: sizes timed one after the other would be compared over what the machine did in between.
 * @param subjectOf asks as much at every size, so that what grows is the number of rules, and not the memory that is in use
 */
export async function growthOf(
  bench: string,
  subjectOf: (rules: number) => Subject,
  options: MeasureOptions,
): Promise<{ readonly flat: Row; readonly growth: Growth }> {
  const subjects = SIZES.map((size) => ({ ...subjectOf(size), name: String(size) }))
  const speeds = await measure(subjects, options)
  const growth = SIZES.map((size) => ({ size, ours: speeds.get(String(size)) ?? 0 }))
  const [first, last] = [growth[0]?.ours ?? 0, growth.at(-1)?.ours ?? 0]
  return {
    flat: row({ bench: `${bench}.flat`, ours: last, unit: 'ops/s', peer: 'itself at 50', theirs: first, target: FLAT }),
    growth: {
      bench,
      unit: 'ops/s',
      size: 'rules',
      growth: growth.map(({ size, ours }) => ({ size, ours: Math.round(ours) })),
    },
  }
}
