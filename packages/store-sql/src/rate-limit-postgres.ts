import type { Clock } from '@portcullis/core'
import type { Meter } from '@portcullis/rate-limit/store'
import { sql } from 'kysely'
import type { Channel } from './postgres-access.ts'
import { type Bucket, type BucketFound, type Buckets, type Charged, PERIOD_GRACE } from './rate-limit-buckets.ts'
import type { Dialect } from './schema.ts'
import { placeholder, Statement } from './statement.ts'

/** How many rows a sweep looks at. */
const SWEEP_BATCH = 256

/** @param clock `undefined`: the server's */
export function postgresBuckets({ db, traits }: Dialect, channel: Channel, clock: Clock | undefined): Buckets {
  const schema = sql.raw(traits.schema ?? '')
  const given = sql`${placeholder('given')}::bigint`
  const charging = sql`select at, used, lasts, faded, freed from ${schema}.pc_rate_limit_check(
    ${placeholder('scopes')}::text[], ${placeholder('keys')}::text[], ${placeholder('limits')}::float8[],
    ${placeholder('scales')}::float8[], ${placeholder('increments')}::float8[], ${placeholder('resets')}::float8[],
    ${placeholder('grains')}::bigint[], ${placeholder('aligns')}::bigint[], ${placeholder('lives')}::bigint[],
    ${placeholder('fades')}::bigint[], ${placeholder('froms')}::bigint[], ${placeholder('keeps')}::bigint[],
    ${placeholder('backs')}::bigint[], ${placeholder('cost')}::float8, ${given})`
  const charge = new Statement({ compile: () => charging.compile(db) }, { repeatable: false })
  const ask = new Statement({ compile: () => charging.compile(db) }, { repeatable: true })
  const page = new Statement(
    db
      .selectFrom('pc_rate_limits')
      .select(['scope', 'key'])
      .where(sql<boolean>`(scope, key) > (${placeholder('scope')}::text, ${placeholder('key')}::text)`)
      .orderBy('scope')
      .orderBy('key')
      .limit(sql.lit(SWEEP_BATCH)),
    { repeatable: true },
  )
  const deleting = sql`with gone as materialized (
      select scope, key from ${schema}.pc_rate_limits
      where (scope, key) > (${placeholder('scope')}::text, ${placeholder('key')}::text)
        and (scope, key) <= (${placeholder('scope_to')}::text, ${placeholder('key_to')}::text)
        and ms < coalesce(${given}, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
      for update skip locked)
    delete from ${schema}.pc_rate_limits r using gone where r.scope = gone.scope and r.key = gone.key`
  const remove = new Statement({ compile: () => deleting.compile(db) }, { repeatable: true })
  const now = (): number | null => (clock === undefined ? null : Math.floor(clock.now()))
  let from = { scope: '', key: '' }

  return {
    async charge(buckets, units): Promise<Charged> {
      const values = { ...columns(buckets), cost: units, given: now() }
      const { rows } = await channel.execute(units === 0 ? ask : charge, values)
      const [row] = rows as [FoundRow]
      return { at: Number(row[0]), found: buckets.map(({ meter }, i) => foundOf(meter, row, i)) }
    },
    async sweep() {
      const { rows } = await channel.execute(page, from)
      const to = rows.at(-1) as readonly [scope: string, key: string] | undefined
      if (to !== undefined) await channel.execute(remove, { ...from, scope_to: to[0], key_to: to[1], given: now() })
      const round = to === undefined || rows.length < SWEEP_BATCH
      from = round ? { scope: '', key: '' } : { scope: to[0], key: to[1] }
      return round
    },
  }
}

/** Of the moment, a text; then for each bucket ticks or units, and what else there is to say of a log. */
type FoundRow = readonly [
  at: string,
  used: readonly number[],
  lasts: readonly number[],
  faded: readonly number[],
  freed: readonly number[],
]

function foundOf({ kind }: Meter, [, used, lasts, faded, freed]: FoundRow, i: number): BucketFound {
  const units = used[i] ?? 0
  return kind === 'gcra' ? units : { units, last: lasts[i] ?? 0, faded: faded[i] ?? 0, freed: freed[i] ?? 0 }
}

function columns(buckets: readonly Bucket[]) {
  const arrivals = buckets.map(({ meter }) => (meter.kind === 'gcra' ? meter : undefined))
  const common = {
    scopes: buckets.map(({ scope }) => scope),
    keys: buckets.map(({ key }) => key),
    limits: buckets.map(({ limit }) => limit),
    scales: arrivals.map((meter) => meter?.scale ?? null),
    increments: arrivals.map((meter) => meter?.increment ?? null),
    resets: buckets.map(({ reset }) => reset),
  }
  const logs = buckets.map(({ meter }) => (meter.kind === 'log' ? meter : undefined))
  // Most checks have none: then they are not sent, and null.
  if (logs.every((meter) => meter === undefined)) return common
  const entries = logs.map((meter) => (meter?.calendar === undefined ? meter : undefined))
  return {
    ...common,
    grains: entries.map((meter) => meter?.grain ?? null),
    aligns: entries.map((meter) => meter?.align ?? null),
    lives: entries.map((meter) => meter?.life ?? null),
    fades: entries.map((meter) => (meter?.fades === true ? meter.window : null)),
    froms: buckets.map(({ period }) => period?.from ?? null),
    // The row is kept for a little longer, for those whose clock is behind.
    keeps: buckets.map(({ period }) => (period === undefined ? null : period.until + PERIOD_GRACE)),
    backs: buckets.map(({ from }) => from ?? null),
  }
}
