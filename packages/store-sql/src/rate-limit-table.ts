import { sql } from 'kysely'
import { type Dialect, textOf } from './schema.ts'

/** The table of buckets; on PostgreSQL the function that charges them, too. */
export function rateLimitTable({ db, traits }: Dialect): string[] {
  const { byteWise, integer, real } = traits
  const table = db.schema
    .createTable('pc_rate_limits')
    .addColumn('scope', 'text', (column) => column.modifyFront(byteWise).notNull())
    .addColumn('key', 'text', (column) => column.modifyFront(byteWise).notNull())
    .addColumn('ms', integer, (column) => column.notNull())
    .addColumn('ticks', real, (column) => column.notNull())
    .addPrimaryKeyConstraint('pc_rate_limits$key', ['scope', 'key'])
  if (traits.name === 'sqlite') return [textOf(table.modifyEnd(sql`strict, without rowid`))]
  // Room on each page for the next version of a row. No index but the key: then a charge writes to the table alone (HOT).
  return [textOf(table.modifyEnd(sql`with (fillfactor = 70)`)), chargeFunction('create', traits.schema, 'resets[i] <= at')]
}

/**
 * On PostgreSQL: what is given back where nothing is known of a key writes nothing. It wrote, and a row that another connection had made
 * since it looked lost what was charged to it.
 */
export function rateLimitRefunds({ traits }: Dialect): string[] {
  const skipped = 'resets[i] <= at or (units < 0 and leads[i] = 0)'
  return traits.name === 'sqlite' ? [] : [chargeFunction('create or replace', traits.schema, skipped)]
}

/** Undoes {@link rateLimitRefunds}. */
export function dropRateLimitRefunds({ traits }: Dialect): string[] {
  return traits.name === 'sqlite' ? [] : [chargeFunction('create or replace', traits.schema, 'resets[i] <= at')]
}

/** Undoes {@link rateLimitTable}. */
export function dropRateLimitTable({ db, traits }: Dialect): string[] {
  const table = textOf(db.schema.dropTable('pc_rate_limits'))
  return traits.name === 'sqlite' ? [table] : [`drop function ${traits.schema}.pc_rate_limit`, table]
}

/*
 * One call is one check. Rows are locked one after another in the order in which they are given, which is the same for all callers:
 * so no two wait for each other. Numbers are those of JavaScript (double precision): ticks are whole and below 2^53, hence exact,
 * and no product of a time since the epoch is ever made.
 *
 * A lost row is a lost count, no more: the commit does not wait for the disk.
 */
function chargeFunction(create: 'create' | 'create or replace', schema: string | undefined, skipped: string): string {
  return `${create} function ${schema}.pc_rate_limit(
  scopes text[], keys text[], scales float8[], increments float8[], tolerances float8[], resets float8[], units float8, given bigint,
  out at bigint, out leads float8[]
) language plpgsql as $$
declare
  arrivals bigint[];
  parts float8[];
  arrival bigint;
  part float8;
  lead float8;
  whole float8;
  allowed boolean := true;
begin
  perform set_config('synchronous_commit', 'off', true);
  for i in 1 .. cardinality(scopes) loop
    loop
      select r.ms, r.ticks into arrival, part from ${schema}.pc_rate_limits r
        where r.scope = scopes[i] and r.key = keys[i] for update;
      exit when found or units <= 0;
      insert into ${schema}.pc_rate_limits (scope, key, ms, ticks) values (scopes[i], keys[i], 0, 0) on conflict do nothing;
      if found then
        arrival := 0;
        part := 0;
        exit;
      end if;
    end loop;
    arrivals[i] := coalesce(arrival, 0);
    parts[i] := coalesce(part, 0);
  end loop;
  at := coalesce(given, floor(extract(epoch from clock_timestamp()) * 1000)::bigint);
  for i in 1 .. cardinality(scopes) loop
    lead := greatest(0, (arrivals[i] - at)::float8 * scales[i] + parts[i]);
    leads[i] := lead;
    allowed := allowed and lead + units * increments[i] <= tolerances[i];
  end loop;
  if not allowed or units = 0 then
    return;
  end if;
  for i in 1 .. cardinality(scopes) loop
    continue when ${skipped};
    lead := greatest(0, leads[i] + units * increments[i]);
    whole := floor(lead / scales[i]);
    part := lead - whole * scales[i];
    if part < 0 then
      whole := whole - 1;
      part := part + scales[i];
    end if;
    update ${schema}.pc_rate_limits r set ms = least(at + whole, 9007199254740991)::bigint, ticks = part
      where r.scope = scopes[i] and r.key = keys[i];
  end loop;
end
$$`
}
