import { type Deed, play, seeded, type World } from './leased-quota-simulation.ts'

/** What was measured beside what may be, in units. */
export interface Point {
  readonly x: number
  readonly bound: number
  readonly measured: number
}

export interface Series {
  readonly label: string
  readonly points: readonly Point[]
}

const RUNS = 24

/** The worst of several runs in which everybody fills his hands, waits, and lets go of everything at once. */
async function worst(
  nodes: number,
  most: number,
  lease: number,
  rate: number,
): Promise<Point & { readonly faults: readonly string[] }> {
  const burst = 4 * nodes * most
  const world: World = { nodes, most, lease, latency: 1, failing: 0, policies: [{ quota: rate, window: 1000, burst }] }
  const faults: string[] = []
  let [measured, bound] = [0, 0]
  for (let seed = 0; seed < RUNS; seed++) {
    const random = seeded(seed)
    const outcome = await play(world, hoard(world, seed, burst), random)
    measured = Math.max(measured, outcome.over[0]!.measured)
    bound = outcome.over[0]!.bound
    faults.push(...outcome.faults)
  }
  return { x: 0, measured, bound, faults }
}

/** @param seed how full the hands are, and how much of the lease they wait */
function hoard({ nodes, most, lease }: World, seed: number, burst: number): Deed[] {
  const deeds: Deed[] = []
  // A check at a time. The last finds an empty hand, and its trip fills it.
  const size = Math.max(2, most >> (seed % 6))
  const checks = 1 + size / 2 + (size / 2 - 1)
  const step = 3
  for (let i = 0; i < checks; i++) for (let node = 0; node < nodes; node++) deeds.push({ at: i * step, node, cost: 1, times: 1 })
  const wait = Math.floor((lease * (1 + Math.floor(seed / 6))) / 4) - 1
  const at = (checks - 1) * step + Math.max(0, wait)
  const times = most + Math.ceil(burst / nodes)
  for (const wave of [0, 2, 4, 6, 8]) {
    for (let node = 0; node < nodes; node++) deeds.push({ at: at + wave, node, cost: 1, times: wave === 0 ? times : most })
  }
  return deeds
}

/** The same for the same code, wherever it runs. @throws Error when a run broke a bound */
export async function measure(): Promise<{ readonly bySize: readonly Series[]; readonly byLease: readonly Series[] }> {
  const at = async (x: number, nodes: number, most: number, lease: number, rate: number): Promise<Point> => {
    const { faults, ...point } = await worst(nodes, most, lease, rate)
    if (faults.length > 0) throw new Error(faults.join('; '))
    return { ...point, x }
  }
  const bySize: Series[] = []
  for (const nodes of [8, 4, 2, 1]) {
    const points: Point[] = []
    for (const most of [2, 4, 8, 16, 32]) points.push(await at(most, nodes, most, 1000, 2000))
    bySize.push({ label: nodes === 1 ? '1 process' : `${nodes} processes`, points })
  }
  const byLease: Series[] = []
  for (const most of [32, 8, 2]) {
    const points: Point[] = []
    for (const lease of [25, 50, 100, 200, 400, 800, 1600]) points.push(await at(lease, 8, most, lease, 1000))
    byLease.push({ label: `q = ${most}`, points })
  }
  return { bySize, byLease }
}

const WIDTH = 420
const HEIGHT = 260
const HUES = ['#3b82f6', '#d97706', '#16a34a', '#a855f7']

interface Panel {
  readonly left: number
  readonly title: string
  readonly axis: string
  readonly series: readonly Series[]
}

/** Both axes are logarithmic, that of units from 0. Colours stand out from white and from black. */
export function draw(bySize: readonly Series[], byLease: readonly Series[]): string {
  const panels: Panel[] = [
    { left: 50, title: 'by q; 2,000 units a second, lease of 1 s', axis: 'q: most', series: bySize },
    { left: 600, title: 'by lease; 8 processes, 1,000 units a second', axis: 'lease, ms', series: byLease },
  ]
  const text = panels.map(panel).join('\n')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1090 350" role="img" aria-label="Over-admission measured against the bound" font-family="sans-serif" font-size="12" fill="#808080">
<text x="50" y="20" font-size="14">Units let through beyond the policy, in the worst window: the bound (line) and the worst of ${RUNS} runs (dots)</text>
${text}
</svg>
`
}

function panel({ left, title, axis, series }: Panel): string {
  const xs = series[0]!.points.map(({ x }) => x)
  const top = Math.max(...series.flatMap(({ points }) => points.map(({ bound }) => bound)))
  const height = Math.ceil(Math.log2(top + 1))
  const x = (value: number): number => left + (WIDTH * Math.log2(value / xs[0]!)) / Math.log2(xs.at(-1)! / xs[0]!)
  const y = (units: number): number => 50 + HEIGHT - (HEIGHT * Math.log2(1 + units)) / height
  const lines = [`<text x="${left}" y="42">${title}</text>`]
  for (let power = 0; power <= height; power++) {
    const at = tidy(y(2 ** power - 1))
    lines.push(`<path d="M${left} ${at}h${WIDTH}" stroke="#808080" stroke-opacity=".25"/>`)
    lines.push(`<text x="${left - 8}" y="${at + 4}" text-anchor="end">${2 ** power - 1}</text>`)
  }
  for (const value of xs) lines.push(`<text x="${tidy(x(value))}" y="${66 + HEIGHT}" text-anchor="middle">${value}</text>`)
  lines.push(`<text x="${left + WIDTH / 2}" y="${86 + HEIGHT}" text-anchor="middle">${axis}</text>`)
  for (const [i, { label, points }] of series.entries()) {
    const path = points.map((point) => `${tidy(x(point.x))} ${tidy(y(point.bound))}`).join('L')
    lines.push(`<path d="M${path}" fill="none" stroke="${HUES[i]}" stroke-width="1.5"/>`)
    for (const { x: value, measured, bound } of points) {
      const where = `cx="${tidy(x(value))}" cy="${tidy(y(measured))}"`
      lines.push(`<circle ${where} r="4" fill="${HUES[i]}"><title>${label}: ${measured} of ${bound}</title></circle>`)
    }
    const last = points.at(-1)!
    lines.push(`<text x="${tidy(x(last.x)) + 8}" y="${tidy(y(last.bound)) + 4}" fill="${HUES[i]}">${label}</text>`)
  }
  return lines.join('\n')
}

function tidy(value: number): number {
  return Math.round(value * 10) / 10
}
