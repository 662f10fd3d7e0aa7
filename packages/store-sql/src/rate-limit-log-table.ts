import { type RawBuilder, sql } from 'kysely'
import { type Database, type Dialect, textOf } from './schema.ts'

/**
 * Columns for the log of a bucket, and on PostgreSQL the function that checks buckets of every kind. The older function stays: processes
 * of the version before this one call it until the last of them is gone.
 */
export function rateLimitLogs(dialect: Dialect): string[] {
  const { db, traits } = dialect
  const columns = logColumns(dialect).map(([name, type]) => textOf(db.schema.alterTable('pc_rate_limits').addColumn(name, type)))
  return traits.name === 'sqlite' ? columns : [...columns, checkFunction(traits.schema ?? '')]
}

/** Undoes {@link rateLimitLogs}. Without its log, a row would be read as a bucket of the other kind: it goes as well. */
export function dropRateLimitLogs(dialect: Dialect): string[] {
  const { db, traits } = dialect
  const columns = logColumns(dialect).map(([name]) => name)
  const rows = textOf(db.deleteFrom('pc_rate_limits').where(isLog(dialect)))
  const dropped = columns.map((name) => textOf(db.schema.alterTable('pc_rate_limits').dropColumn(name)))
  return [rows, ...(traits.name === 'sqlite' ? [] : [`drop function ${traits.schema}.pc_rate_limit_check`]), ...dropped]
}

/** Whether there is a log that has something to tell. @param now milliseconds since the epoch */
export async function holdsRateLimitLogs(db: Database, now: number, dialect: Dialect): Promise<boolean> {
  const live = db.selectFrom('pc_rate_limits').select('ms').where(isLog(dialect)).where('ms', '>=', now).limit(sql.lit(1))
  return (await live.executeTakeFirst()) !== undefined
}

function isLog(dialect: Dialect): RawBuilder<boolean> {
  const [[log]] = logColumns(dialect)
  return sql<boolean>`${sql.ref(log)} is not null`
}

type Column = readonly [name: string, type: RawBuilder<unknown>]

/** The first is set where a row is a log. */
function logColumns({ traits }: Dialect): readonly [Column, ...Column[]] {
  if (traits.name === 'sqlite') return [['log', sql`text`]]
  return [
    ['starts', sql`bigint[]`],
    ['units', sql`double precision[]`],
  ]
}

/*
 * One call is one check, of buckets that are either a theoretical arrival time (`scales` says its ticks a millisecond) or a log
 * (`scales` is null). What is given a value only for one of the kinds is null for the other.
 *
 * Rows are locked one after another in the order in which they are given, which is the same for all callers: so no two wait for each
 * other. A row that is not there is made only by a charge; a refund does not lock it, and must not write it. Numbers are those of
 * JavaScript (double precision), in the order of `window-log.ts` of @portcullis/rate-limit: what is whole stays below 2^53, hence exact.
 *
 * A lost row is a lost count, no more: the commit does not wait for the disk.
 */
function checkFunction(schema: string): string {
  return `create function ${schema}.pc_rate_limit_check(
  scopes text[], keys text[], limits float8[],
  scales float8[], increments float8[], resets float8[],
  grains bigint[], aligns bigint[], lives bigint[], fades bigint[], froms bigint[], keeps bigint[], backs bigint[],
  cost float8, given bigint,
  out at bigint, out used float8[], out lasts float8[], out faded float8[], out freed float8[]
) language plpgsql as $$
declare
  arrivals bigint[];
  parts float8[];
  all_starts bigint[] := '{}';
  all_units float8[] := '{}';
  heads int[];
  tails int[];
  targets bigint[];
  own_starts bigint[];
  own_units float8[];
  arrival bigint;
  part float8;
  head int;
  tail int;
  last bigint;
  t bigint;
  whole float8;
  fraction float8;
  rest float8;
  allowed boolean := true;
begin
  perform set_config('synchronous_commit', 'off', true);
  for i in 1 .. cardinality(scopes) loop
    loop
      select r.ms, r.ticks, r.starts, r.units into arrival, part, own_starts, own_units from ${schema}.pc_rate_limits r
        where r.scope = scopes[i] and r.key = keys[i] for update;
      exit when found or cost <= 0;
      insert into ${schema}.pc_rate_limits (scope, key, ms, ticks) values (scopes[i], keys[i], 0, 0) on conflict do nothing;
      exit when found;
    end loop;
    -- A row of the other kind is from before the policy got its algorithm: it counts for nothing.
    if (own_starts is null) = (scales[i] is null) then
      arrival := 0;
      part := 0;
      own_starts := null;
    end if;
    arrivals[i] := coalesce(arrival, 0);
    parts[i] := coalesce(part, 0);
    heads[i] := cardinality(all_starts) + 1;
    if own_starts is not null then
      all_starts := all_starts || own_starts;
      all_units := all_units || own_units;
    end if;
    tails[i] := cardinality(all_starts);
  end loop;
  at := coalesce(given, floor(extract(epoch from clock_timestamp()) * 1000)::bigint);

  for i in 1 .. cardinality(scopes) loop
    lasts[i] := 0;
    faded[i] := 0;
    freed[i] := 0;
    if scales[i] is not null then
      used[i] := greatest(0, (arrivals[i] - at)::float8 * scales[i] + parts[i]);
      allowed := allowed and used[i] + cost * increments[i] <= limits[i];
      continue;
    end if;
    head := heads[i];
    tail := tails[i];
    last := case when head <= tail then all_starts[tail] end;
    -- A clock that goes back adds nothing.
    t := greatest(at, last);
    if froms[i] is null then
      while head <= tail and all_starts[head] + lives[i] <= t loop
        head := head + 1;
      end loop;
      targets[i] := case when t - last < grains[i] then last else t - t % aligns[i] end;
    else
      targets[i] := greatest(froms[i], last);
      while head <= tail and all_starts[head] < targets[i] loop
        head := head + 1;
      end loop;
    end if;
    heads[i] := head;
    lasts[i] := case when head <= tail then last else 0 end;
    fraction := 0;
    if head <= tail and all_starts[head] + fades[i] <= t then
      faded[i] := all_units[head];
      fraction := all_units[head] * (all_starts[head] + lives[i] - t)::float8 / fades[i];
      head := head + 1;
    end if;
    select coalesce(sum(u), 0) into whole from unnest(all_units[head:tail]) u;
    used[i] := whole;
    allowed := allowed and whole + fraction + cost <= limits[i];
  end loop;

  for i in 1 .. cardinality(scopes) loop
    -- Of many entries, which frees enough for the same cost: where there are few, the caller knows.
    continue when grains[i] is distinct from 1 or cost > limits[i];
    rest := used[i] + case when allowed then cost else 0 end + cost - limits[i];
    continue when rest <= 0;
    freed[i] := targets[i];
    for j in heads[i] .. tails[i] loop
      rest := rest - all_units[j];
      if rest <= 0 then
        freed[i] := all_starts[j];
        exit;
      end if;
    end loop;
  end loop;

  if not allowed or cost = 0 then
    return;
  end if;
  for i in 1 .. cardinality(scopes) loop
    continue when resets[i] <= at;
    if scales[i] is not null then
      continue when cost < 0 and used[i] = 0;
      rest := greatest(0, used[i] + cost * increments[i]);
      whole := floor(rest / scales[i]);
      part := rest - whole * scales[i];
      if part < 0 then
        whole := whole - 1;
        part := part + scales[i];
      end if;
      update ${schema}.pc_rate_limits r
        set ms = least(at + whole, 9007199254740991)::bigint, ticks = part, starts = null, units = null
        where r.scope = scopes[i] and r.key = keys[i];
      continue;
    end if;
    own_starts := all_starts[heads[i]:tails[i]];
    own_units := all_units[heads[i]:tails[i]];
    tail := cardinality(own_starts);
    if cost > 0 then
      if tail = 0 or own_starts[tail] <> targets[i] then
        tail := tail + 1;
        own_starts[tail] := targets[i];
        own_units[tail] := 0;
      end if;
      own_units[tail] := own_units[tail] + cost;
    else
      continue when tail = 0;
      rest := -cost;
      for j in reverse tail .. 1 loop
        continue when own_starts[j] <> backs[i];
        part := least(rest, own_units[j]);
        own_units[j] := own_units[j] - part;
        rest := rest - part;
        exit when rest = 0;
      end loop;
      select coalesce(array_agg(e.s order by e.n), '{}'), coalesce(array_agg(e.u order by e.n), '{}') into own_starts, own_units
        from unnest(own_starts, own_units) with ordinality e (s, u, n) where e.u > 0;
      tail := cardinality(own_starts);
    end if;
    -- The end of the period by another clock may be earlier than the one by which the entry was made.
    update ${schema}.pc_rate_limits r
      set ms = case when tail = 0 then 0
          when froms[i] is null then least(own_starts[tail] + lives[i], 9007199254740991)
          else greatest(arrivals[i], keeps[i]) end,
        ticks = 0, starts = own_starts, units = own_units
      where r.scope = scopes[i] and r.key = keys[i];
  end loop;
end
$$`
}
