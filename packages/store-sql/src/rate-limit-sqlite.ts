import { type Clock, systemClock } from '@portcullis/core'
import { sql } from 'kysely'
import type { Bucket, Buckets, Charged } from './rate-limit-buckets.ts'
import { type BucketRow, look } from './rate-limit-row.ts'
import type { Dialect } from './schema.ts'
import type { SqliteAccess } from './sqlite-access.ts'
import { placeholder, Statement } from './statement.ts'

/** How many rows a sweep looks at. */
const SWEEP_BATCH = 256

export function sqliteBuckets({ db }: Dialect, access: SqliteAccess, clock: Clock = systemClock): Buckets {
  const scope = placeholder<string>('scope')
  const key = placeholder<string>('key')
  const read = new Statement(
    db.selectFrom('pc_rate_limits').select(['ms', 'ticks', 'log']).where('scope', '=', scope).where('key', '=', key),
    { repeatable: true, readsOne: true },
  )
  const write = new Statement(
    db
      .insertInto('pc_rate_limits')
      .values({ scope, key, ms: placeholder('ms'), ticks: placeholder('ticks'), log: placeholder('log') })
      .onConflict((conflict) =>
        conflict.columns(['scope', 'key']).doUpdateSet((eb) => ({
          ms: eb.ref('excluded.ms'),
          ticks: eb.ref('excluded.ticks'),
          log: eb.ref('excluded.log'),
        })),
      ),
    { repeatable: true },
  )
  const behind = sql<boolean>`(scope, key) > (${scope}, ${key})`
  const page = new Statement(
    db
      .selectFrom('pc_rate_limits')
      .select(['scope', 'key'])
      .where(behind)
      .orderBy('scope')
      .orderBy('key')
      .limit(sql.lit(SWEEP_BATCH)),
    { repeatable: true },
  )
  const remove = new Statement(
    db
      .deleteFrom('pc_rate_limits')
      .where(behind)
      .where(sql<boolean>`(scope, key) <= (${placeholder('scope_to')}, ${placeholder('key_to')})`)
      .where('ms', '<', placeholder<number>('now')),
    { repeatable: true },
  )
  const now = (): number => Math.floor(clock.now())
  let from = { scope: '', key: '' }

  function rowOf({ scope, key }: Bucket): BucketRow | undefined {
    const [row] = access.run(read, { scope, key }).rows as [ms: number, ticks: number, log: string | null][]
    return row && { ms: row[0], ticks: row[1], log: row[2] }
  }

  function charge(buckets: readonly Bucket[], units: number): Charged {
    const at = now()
    const looks = buckets.map((bucket) => look(bucket, rowOf(bucket), at))
    const charged = looks.every((bucket) => bucket.lets(units)) ? units : 0
    const found = looks.map((bucket) => bucket.found(units, charged))
    if (charged === 0) return { at, found }
    for (const [i, { scope, key }] of buckets.entries()) {
      const row = looks[i]?.after(charged)
      if (row !== undefined) access.run(write, { scope, key, ...row })
    }
    return { at, found }
  }

  return {
    charge: (buckets, units) => access.atomically(() => charge(buckets, units)),
    async sweep() {
      const { rows } = await access.execute(page, from)
      const to = rows.at(-1) as readonly [scope: string, key: string] | undefined
      if (to !== undefined) await access.execute(remove, { ...from, scope_to: to[0], key_to: to[1], now: now() })
      const round = to === undefined || rows.length < SWEEP_BATCH
      from = round ? { scope: '', key: '' } : { scope: to[0], key: to[1] }
      return round
    },
  }
}
