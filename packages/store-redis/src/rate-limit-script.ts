import { CLOCK, Script } from './script.ts'

/*
 * A bucket is its theoretical arrival time, `<milliseconds since the epoch>:<ticks of that millisecond>`: no product of the time and the
 * ticks in a millisecond has to be held by a number, which has 53 bits here as in JavaScript. What is kept by one key ends with it, in the
 * millisecond in which everything has come back.
 *
 * KEYS: buckets. ARGV: now or '', units, and for each bucket ticks in a millisecond, ticks a unit, tolerance in ticks, and, to give back,
 * when what was charged has come back by itself, or ''.
 */
const BUCKETS = `${CLOCK}
local units = tonumber(ARGV[2])
local function number(bucket, n) return tonumber(ARGV[2 + 4 * (bucket - 1) + n]) end
local function lead(bucket)
  local kept = redis.call('GET', KEYS[bucket])
  if not kept then return 0 end
  local ms, ticks = string.match(kept, '^(%d+):([%d.e-]+)$')
  if not ms then error('this is no bucket') end
  return math.max(0, (tonumber(ms) - now) * number(bucket, 1) + tonumber(ticks))
end
local function write(bucket, total)
  local scale = number(bucket, 1)
  -- Division would round; the remainder is exact.
  local ticks = math.fmod(total, scale)
  local ms = now + (total - ticks) / scale
  local over = ms + (ticks > 0 and 1 or 0)
  redis.call('SET', KEYS[bucket], whole(ms) .. ':' .. string.format('%.17g', ticks), 'PXAT', whole(math.min(over + ahead, 2 ^ 53)))
end
`

/** Charges all buckets or none. Answers how many it charged, the time, and by how many ticks each was ahead of it. */
export const CONSUME: Script = new Script(`${BUCKETS}
local leads, reply, allowed = {}, { '0', whole(now) }, true
for bucket = 1, #KEYS do
  leads[bucket] = lead(bucket)
  reply[bucket + 2] = string.format('%.17g', leads[bucket])
  if leads[bucket] + units * number(bucket, 2) > number(bucket, 3) then allowed = false end
end
if allowed and units > 0 then
  reply[1] = tostring(#KEYS)
  for bucket = 1, #KEYS do write(bucket, leads[bucket] + units * number(bucket, 2)) end
end
return reply
`)

/** Charges, or gives back, without asking. Answers how many buckets it changed. */
export const ADJUST: Script = new Script(`${BUCKETS}
local after, changed = {}, 0
for bucket = 1, #KEYS do
  local back = number(bucket, 4)
  -- Otherwise time has given it back already.
  if not (units < 0 and back and back <= now) then after[bucket] = lead(bucket) + units * number(bucket, 2) end
end
-- What needs memory goes first. A bucket that is full, or that nothing was known of, needs none.
for bucket = 1, #KEYS do
  if after[bucket] and after[bucket] > 0 then
    write(bucket, after[bucket])
    changed = changed + 1
  end
end
for bucket = 1, #KEYS do
  if after[bucket] and after[bucket] <= 0 then changed = changed + redis.call('DEL', KEYS[bucket]) end
end
return { tostring(changed) }
`)
