import { CLOCK, Script } from './script.ts'

/**
 * Carries out several changes at once, in their order, each as if it were alone. What they find is read first and what they leave is
 * written last, once for each bucket, however many of them met there.
 *
 * A bucket is its theoretical arrival time, two doubles: milliseconds since the epoch, and ticks of that millisecond. No product of the
 * time and the ticks in a millisecond has to be held by a number, which has 53 bits here as in JavaScript. What is kept by one key ends
 * with it, in the millisecond in which everything has come back.
 *
 * KEYS: the buckets of all changes, one after the other. ARGV: now or ''; then two lists as JSON, which Redis reads faster than as many
 * arguments: ticks in a millisecond, ticks a unit, tolerance in ticks, for each policy; and the changes, each with its
 *   kind (0 charges all its buckets or none; 1 charges, or gives back, without asking), units, number of buckets,
 *   the place of the first of its policies in the first list,
 *   and, of kind 1, for each bucket when what was charged has come back by itself, or -1.
 *
 * Answers to how many buckets it wrote, the time, and for each change, of kind 0: by how many ticks each bucket was ahead of the time; of
 * kind 1: 0. Where that could not be done, in the same places, `-` and an error.
 */
export const CHANGE: Script = new Script(`${CLOCK}
local keys, pcall, max, fmod, format = KEYS, redis.pcall, math.max, math.fmod, string.format
local pack, unpacked = struct.pack, struct.unpack
local policies, changes = cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
local kept, leads, scales, written, writes = redis.call('MGET', unpack(keys)), {}, {}, {}, 0
local reply, place, done = { 0, now }, 2, 0
local function lead(bucket, scale)
  local key = keys[bucket]
  local found, text = leads[key], kept[bucket]
  if found then return found end
  found = 0
  if text then
    if #text ~= 16 then return nil end
    local ms, ticks = unpacked('>dd', text)
    if not (ms >= 0 and ms < 1e30 and ticks >= 0 and ticks < 1e30) then return nil end
    found = max(0, (ms - now) * scale + ticks)
  end
  leads[key] = found
  return found
end
local function write(bucket, total, scale)
  local key = keys[bucket]
  leads[key] = total > 0 and total or 0
  if not scales[key] then
    writes = writes + 1
    written[writes] = key
    scales[key] = scale
  end
end
local function refuse(count, why)
  for n = 1, count do reply[place + n] = '-' .. why end
end
local function consume(first, count, units, policy)
  local allowed = true
  for n = 1, count do
    local at = policy + 3 * n
    local found = lead(first + n, policies[at - 2])
    if not found then return refuse(count, 'ERR this is no bucket') end
    -- A number is answered as a whole one, of 64 bits.
    reply[place + n] = found % 1 == 0 and found < 2 ^ 53 and found or format('%.17g', found)
    if found + units * policies[at - 1] > policies[at] then allowed = false end
  end
  if not allowed or units == 0 then return end
  for n = 1, count do
    local at = policy + 3 * n
    write(first + n, leads[keys[first + n]] + units * policies[at - 1], policies[at - 2])
  end
end
local function adjust(first, count, units, policy, times)
  for n = 1, count do
    if not lead(first + n, policies[policy + 3 * n - 2]) then return refuse(1, 'ERR this is no bucket') end
  end
  reply[place + 1] = 0
  for n = 1, count do
    local at, back, found = policy + 3 * n, changes[times + n], leads[keys[first + n]]
    -- Time has given it back already, or nothing is known of it.
    local over = units < 0 and (back >= 0 and back <= now or found == 0)
    if not over then write(first + n, found + units * policies[at - 1], policies[at - 2]) end
  end
end
local function each(visit)
  local at, first = 1, 0
  place = 2
  while changes[at] do
    local kind, count = changes[at], changes[at + 2]
    if visit then visit(kind, first, count)
    elseif kind == 0 then consume(first, count, changes[at + 1], changes[at + 3])
    else adjust(first, count, changes[at + 1], changes[at + 3], at + 3) end
    at = at + 4 + kind * count
    first = first + count
    place = place + (kind == 0 and count or 1)
  end
end
each()
-- What needs memory goes first: where there is none, or no write is taken, nothing was done.
local failed
for n = 1, writes do
  local key = written[n]
  local total, scale = leads[key], scales[key]
  if total > 0 and not failed then
    -- Division would round; the remainder is exact.
    local ticks = fmod(total, scale)
    local ms = now + (total - ticks) / scale
    local over = ms + ahead
    if ticks > 0 then over = over + 1 end
    failed = pcall('SET', key, pack('>dd', ms, ticks), 'PXAT', format('%d', over < 2 ^ 53 and over or 2 ^ 53)).err
    done = done + 1
  end
end
for n = 1, writes do
  if leads[written[n]] == 0 and not failed then
    local gone = pcall('DEL', written[n])
    if type(gone) == 'table' then failed = gone.err else done = done + gone end
  end
end
if failed then
  done = 0
  each(function(kind, first, count)
    for n = 1, count do
      if scales[keys[first + n]] then refuse(kind == 0 and count or 1, failed) end
    end
  end)
end
reply[1] = done
return reply
`)
