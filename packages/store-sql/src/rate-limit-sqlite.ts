import { type Clock, systemClock } from '@portcullis/core'
import { sql } from 'kysely'
import type { Bucket, Buckets, Charged } from './rate-limit-buckets.ts'
import type { Dialect } from './schema.ts'
import type { SqliteAccess } from './sqlite-access.ts'
import { placeholder, Statement } from './statement.ts'

/** How many rows a sweep looks at. */
const SWEEP_BATCH = 256

export function sqliteBuckets({ db }: Dialect, access: SqliteAccess, clock: Clock = systemClock): Buckets {
  const scope = placeholder<string>('scope')
  const key = placeholder<string>('key')
  const read = new Statement(
    db.selectFrom('pc_rate_limits').select(['ms', 'ticks']).where('scope', '=', scope).where('key', '=', key),
    { repeatable: true, readsOne: true },
  )
  const write = new Statement(
    db
      .insertInto('pc_rate_limits')
      .values({ scope, key, ms: placeholder('ms'), ticks: placeholder('ticks') })
      .onConflict((conflict) =>
        conflict.columns(['scope', 'key']).doUpdateSet((eb) => ({ ms: eb.ref('excluded.ms'), ticks: eb.ref('excluded.ticks') })),
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

  function charge(buckets: readonly Bucket[], units: number): Charged {
    const at = now()
    const leads = buckets.map((bucket) => {
      const [row] = access.run(read, { scope: bucket.scope, key: bucket.key }).rows as [ms: number, ticks: number][]
      return row === undefined ? 0 : Math.max(0, (row[0] - at) * bucket.scale + row[1])
    })
    const ahead = buckets.map(({ increment }, i) => (leads[i] ?? 0) + units * increment)
    const allowed = buckets.every(({ tolerance }, i) => (ahead[i] ?? 0) <= tolerance)
    if (!allowed || units === 0) return { at, leads }
    for (const [i, { scope, key, scale, reset }] of buckets.entries()) {
      // Nothing is ahead, and something is given back: no row need say so.
      if (reset <= at || (units < 0 && leads[i] === 0)) continue
      access.run(write, { scope, key, ...arrival(at, Math.max(0, ahead[i] ?? 0), scale) })
    }
    return { at, leads }
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

/** `lead` ticks from `at`, as whole milliseconds and the ticks of the one that follows. */
function arrival(at: number, lead: number, scale: number): { ms: number; ticks: number } {
  const whole = Math.floor(lead / scale)
  const ticks = lead - whole * scale
  // A quotient just below a whole number may have been rounded up to it; the product is exact.
  const [ms, rest] = ticks < 0 ? [at + whole - 1, ticks + scale] : [at + whole, ticks]
  return { ms: Math.min(ms, Number.MAX_SAFE_INTEGER), ticks: rest }
}
