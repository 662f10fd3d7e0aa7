import { charge, type Entry, giveBack, liveLog, logFound, logLets } from '@portcullis/rate-limit/store'
import { type Bucket, type BucketFound, PERIOD_GRACE } from './rate-limit-buckets.ts'

/** A bucket's row. */
export interface BucketRow {
  /** Milliseconds since the epoch: when there is nothing to tell any more. Without a log, its theoretical arrival time. */
  readonly ms: number
  /** Of the millisecond that follows. */
  readonly ticks: number
  /** JSON, a list of pairs: the start of an entry, its units. */
  readonly log: string | null
}

/** A bucket as a check finds it. */
export interface Look {
  lets(cost: number): boolean
  /** @param charged the cost, or 0 */
  found(cost: number, charged: number): BucketFound
  /** The row after a charge, which is not asked whether it may be; `undefined`: as it was. */
  after(units: number): BucketRow | undefined
}

/**
 * Looks at a bucket of either kind. A row of the other kind is from before the policy got its algorithm: it counts for nothing.
 * @param now milliseconds since the epoch, whole
 */
export function look(bucket: Bucket, row: BucketRow | undefined, now: number): Look {
  return bucket.meter.kind === 'gcra' ? lookAtArrival(bucket, bucket.meter, row, now) : lookAtLog(bucket, bucket.meter, row, now)
}

type MeterOf<K> = Extract<Bucket['meter'], { kind: K }>

function lookAtArrival(
  { limit, reset }: Bucket,
  { scale, increment }: MeterOf<'gcra'>,
  row: BucketRow | undefined,
  now: number,
): Look {
  const lead = row === undefined || row.log !== null ? 0 : Math.max(0, (row.ms - now) * scale + row.ticks)
  return {
    lets: (cost) => lead + cost * increment <= limit,
    found: () => lead,
    after(units) {
      // Nothing is ahead, and something is given back: no row need say so.
      if (reset <= now || (units < 0 && lead === 0)) return undefined
      return { ...arrival(now, Math.max(0, lead + units * increment), scale), log: null }
    },
  }
}

function lookAtLog({ limit, reset, from, period }: Bucket, meter: MeterOf<'log'>, row: BucketRow | undefined, now: number): Look {
  const live = liveLog(meter, entriesOf(row), { now, period })
  return {
    lets: (cost) => limit === Number.POSITIVE_INFINITY || logLets(meter, live, cost),
    found: (cost, charged) => logFound(meter, live, cost, charged),
    after(units) {
      if (reset <= now || (units < 0 && live.entries.length === 0)) return undefined
      const entries = units < 0 ? giveBack(live, -units, from) : charge(live, units)
      const last = entries.at(-1)
      const log = JSON.stringify(entries.map(({ start, units }) => [start, units]))
      if (last === undefined) return { ms: 0, ticks: 0, log }
      // The end of the period by another clock may be earlier than the one by which the entry was made.
      const kept = row === undefined || row.log === null ? 0 : row.ms
      const ms = period === undefined ? last.start + meter.life : Math.max(kept, period.until + PERIOD_GRACE)
      return { ms: Math.min(ms, Number.MAX_SAFE_INTEGER), ticks: 0, log }
    },
  }
}

function entriesOf(row: BucketRow | undefined): readonly Entry[] {
  if (row === undefined || row.log === null) return []
  const pairs = JSON.parse(row.log) as readonly (readonly [start: number, units: number])[]
  return pairs.map(([start, units]) => ({ start, units }))
}

/** `lead` ticks from `at`, as whole milliseconds and the ticks of the one that follows. */
function arrival(at: number, lead: number, scale: number): { ms: number; ticks: number } {
  const whole = Math.floor(lead / scale)
  const ticks = lead - whole * scale
  // A quotient just below a whole number may have been rounded up to it; the product is exact.
  const [ms, rest] = ticks < 0 ? [at + whole - 1, ticks + scale] : [at + whole, ticks]
  return { ms: Math.min(ms, Number.MAX_SAFE_INTEGER), ticks: rest }
}
