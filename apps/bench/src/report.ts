/** A comparison, as `--json` prints it. */
export interface Row {
  readonly bench: string
  readonly ours: number
  readonly unit: 'ops/s' | 'bytes/key' | 'ms' | 'MiB' | 'µs/check'
  /** `target`: what is compared with is a number that was set, and nobody's code. */
  readonly peer: string
  readonly theirs: number
  /** Ours ÷ theirs. */
  readonly ratio: number
  /** What the ratio has to reach, or, where less is better, not to exceed; `null`: printed for information. */
  readonly target: number | null
  readonly pass: boolean | null
}

/** How a bench grows with its size, a decade a step. */
export interface Growth {
  readonly bench: string
  readonly unit: Row['unit']
  /** What grows: keys, rules, policies. */
  readonly size: string
  readonly growth: readonly { readonly size: number; readonly ours: number }[]
}

/** What a bench gives. */
export interface Outcome {
  readonly rows: readonly Row[]
  readonly growth?: readonly Growth[]
}

/** Compares and judges. */
export function row(given: Omit<Row, 'ratio' | 'pass' | 'target'> & { readonly target?: number | undefined }): Row {
  const { bench, unit, peer } = given
  const [ours, theirs] = [rounded(given.ours), rounded(given.theirs)]
  const exact = given.ours / given.theirs
  const target = given.target ?? null
  // Judged before rounding: 1.496 is not 1.5.
  const pass = target === null ? null : wantsMore(unit) ? exact >= target : exact <= target
  return { bench, ours, unit, peer, theirs, ratio: Number(exact.toPrecision(3)), target, pass }
}

/** Of speed more is better, of time and memory less. */
function wantsMore(unit: Row['unit']): boolean {
  return unit === 'ops/s'
}

function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3))
}

/** One JSON object a line. */
export function jsonLines({ rows, growth = [] }: Outcome): string[] {
  return [...rows, ...growth].map((entry) => JSON.stringify(entry))
}

const HEAD = ['bench', 'ours', 'peer', 'theirs', 'unit', 'ratio', 'target', '']

/** The table, with growth below it. */
export function table(outcomes: readonly Outcome[]): string {
  const rows = outcomes.flatMap((outcome) => outcome.rows)
  const cells = rows.map((one) => [
    one.bench,
    number(one.ours),
    one.peer,
    number(one.theirs),
    one.unit,
    number(one.ratio),
    one.target === null ? '' : `${wantsMore(one.unit) ? '≥' : '≤'} ${number(one.target)}`,
    one.pass === null ? '' : one.pass ? 'pass' : 'MISS',
  ])
  const all = [HEAD, ...cells]
  const widths = HEAD.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)))
  const lines = all.map((line) =>
    line
      .map((cell, column) => align(cell, column, widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  const grown = outcomes.flatMap((outcome) => outcome.growth ?? []).map(growthLine)
  return [...lines, ...(grown.length > 0 ? ['', ...grown] : [])].join('\n')
}

function growthLine({ bench, unit, size, growth }: Growth): string {
  const steps = growth.map((step) => `${number(step.size)}: ${number(step.ours)}`).join(', ')
  const [first, last] = [growth[0], growth[growth.length - 1]]
  const factor =
    first === undefined || last === undefined ? '' : ` (× ${number(Number((last.ours / first.ours).toPrecision(2)))})`
  return `${bench}, ${unit} by number of ${size}: ${steps}${factor}`
}

function align(cell: string, column: number, width: number): string {
  return [1, 3, 5].includes(column) ? cell.padStart(width) : cell.padEnd(width)
}

function number(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: value >= 1000 ? 15 : 3 })
}
