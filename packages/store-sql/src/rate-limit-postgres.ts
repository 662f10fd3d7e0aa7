import type { Clock } from '@portcullis/core'
import { sql } from 'kysely'
import type { Channel } from './postgres-access.ts'
import type { Bucket, Buckets, Charged } from './rate-limit-buckets.ts'
import type { Dialect } from './schema.ts'
import { placeholder, Statement } from './statement.ts'

/** How many rows a sweep looks at. */
const SWEEP_BATCH = 256

/** @param clock `undefined`: the server's */
export function postgresBuckets({ db, traits }: Dialect, channel: Channel, clock: Clock | undefined): Buckets {
  const schema = sql.raw(traits.schema ?? '')
  const given = sql`${placeholder('given')}::bigint`
  const charging = sql`select at, leads from ${schema}.pc_rate_limit(
    ${placeholder('scopes')}::text[], ${placeholder('keys')}::text[],
    ${placeholder('scales')}::float8[], ${placeholder('increments')}::float8[], ${placeholder('tolerances')}::float8[],
    ${placeholder('resets')}::float8[], ${placeholder('units')}::float8, ${given})`
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
      const values = { ...columns(buckets), units, given: now() }
      const { rows } = await channel.execute(units === 0 ? ask : charge, values)
      const [[at, leads]] = rows as [[at: string, leads: readonly number[]]]
      return { at: Number(at), leads }
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

function columns(buckets: readonly Bucket[]) {
  return {
    scopes: buckets.map(({ scope }) => scope),
    keys: buckets.map(({ key }) => key),
    scales: buckets.map(({ scale }) => scale),
    increments: buckets.map(({ increment }) => increment),
    tolerances: buckets.map(({ tolerance }) => tolerance),
    resets: buckets.map(({ reset }) => reset),
  }
}
