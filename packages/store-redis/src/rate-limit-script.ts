import { REMEMBERED } from './rate-limit-mixed-script.ts'
import { CLOCK, Script } from './script.ts'

/**
 * Charges buckets by GCRA, each by itself, all by the same numbers: what most calls want, with nothing around it. Buckets, and what is
 * answered, are as {@link CHANGE} has them.
 *
 * KEYS: the buckets, none of them twice. ARGV: now or '', ticks in a millisecond, ticks to be charged, tolerance in ticks.
 */
export const CHARGE_EACH: Script = new Script(`${CLOCK}
local keys, pcall, pack, unpacked, format = KEYS, redis.pcall, struct.pack, struct.unpack, string.format
local scale, charge, tolerance = ARGV[2] + 0, ARGV[3] + 0, ARGV[4] + 0
local kept, reply, done = redis.call('MGET', unpack(keys)), { 0, now }, 0
for n = 1, #keys do
  local text, found = kept[n], 0
  if text then
    local ms, ticks = -1, 0
    if #text == 16 then ms, ticks = unpacked('>dd', text) end
    found = (ms - now) * scale + ticks
    if not (ms >= 0 and ms < 1e30 and ticks >= 0 and ticks < 1e30) then found = false
    elseif found < 0 then found = 0 end
  end
  local answer = '-ERR this is no bucket'
  if found then
    answer = found % 1 == 0 and found < 2 ^ 53 and found or format('%.17g', found)
    local total = found + charge
    if total <= tolerance and charge > 0 then
      local ticks = scale == 1 and total % 1 or math.fmod(total, scale)
      local ms = now + (total - ticks) / scale
      local over = ms + ahead
      if ticks > 0 then over = over + 1 end
      local failed = pcall('SET', keys[n], pack('>dd', ms, ticks), 'PXAT', format('%d', over < 2 ^ 53 and over or 2 ^ 53)).err
      if failed then answer = '-' .. failed else done = done + 1 end
    end
  end
  reply[n + 2] = answer
end
reply[1] = done
return reply
`)

/**
 * Carries out several changes at once, in their order, each as if it were alone.
 *
 * A bucket by GCRA is its theoretical arrival time, two doubles: milliseconds since the epoch, and ticks of that millisecond. No product of
 * the time and the ticks in a millisecond has to be held by a number, which has 53 bits here as in JavaScript. What is kept by one key ends
 * with it, in the millisecond in which everything has come back. A bucket by windows is a log.
 *
 * KEYS: the buckets of all changes, one after the other. ARGV: now or ''; then as JSON, which Redis reads faster than as many arguments, a
 * list of
 *   the policies, each a list: 0, ticks in a millisecond, ticks a unit, tolerance in ticks; or what the part about logs says;
 *   runs of changes that are alike, one after the other in one list: kind, units, number of buckets of each, the place of the first of
 *     its policies, and how many changes there are. Kinds are
 *       0: charges all its buckets or none,
 *       1: charges, or gives back, without asking: one change, and for each bucket when what was charged has come back by itself, or -1, and
 *          to which entry of a log it went, or -1,
 *       2: as 0, where all are GCRA, and no key is twice among KEYS: the common case, in which nothing has to be remembered;
 *   whether some of kind 0 or 1 are among them; whether there are logs.
 *
 * Answers to how many buckets it wrote, the time, and for each change that asks, for each bucket: by how many ticks it was ahead of the time; or
 * of a log the newest start, the units that count in full, those that fade, and the start of the entry with which enough will have left. For
 * each change that does not ask, 0. Where that could not be done, in the same places, `-` and an error.
 */
export const CHANGE: Script = new Script(`${CLOCK}
local keys, pcall, max, fmod, format = KEYS, redis.pcall, math.max, math.fmod, string.format
local pack, unpacked = struct.pack, struct.unpack
local asked = cjson.decode(ARGV[2])
local policies, runs = asked[1], asked[2]
local kept, reply, place, done = redis.call('MGET', unpack(keys)), { 0, now }, 2, 0
local NONE = 'ERR this is no bucket'
local function parse(text, scale)
  if #text ~= 16 then return nil end
  local ms, ticks = unpacked('>dd', text)
  if not (ms >= 0 and ms < 1e30 and ticks >= 0 and ticks < 1e30) then return nil end
  local found = (ms - now) * scale + ticks
  return found > 0 and found or 0
end
-- A number is answered as a whole one, of 64 bits.
local function said(number)
  return number % 1 == 0 and number < 2 ^ 53 and number or format('%.17g', number)
end
local function keep(key, total, scale)
  -- Division would round; the remainder is exact.
  local ticks = scale == 1 and total % 1 or fmod(total, scale)
  local ms = now + (total - ticks) / scale
  local over = ms + ahead
  if ticks > 0 then over = over + 1 end
  return pcall('SET', key, pack('>dd', ms, ticks), 'PXAT', format('%d', over < 2 ^ 53 and over or 2 ^ 53)).err
end
local function refuse(count, why)
  for n = 1, count do reply[place + n] = '-' .. why end
end
local function all_or_none(first, count, units, at)
  local allowed = true
  for n = 1, count do
    local policy, text, found = policies[at + n], kept[first + n], 0
    if text then found = parse(text, policy[2]) end
    if not found then return refuse(count, NONE) end
    kept[first + n] = found
    reply[place + n] = said(found)
    if found + units * policy[3] > policy[4] then allowed = false end
  end
  if not allowed or units == 0 then return end
  for n = 1, count do
    local policy = policies[at + n]
    local failed = keep(keys[first + n], kept[first + n] + units * policy[3], policy[2])
    if failed then return refuse(count, failed) end
    done = done + 1
  end
end
${REMEMBERED}
local function each(visit)
  local at, first = 1, 0
  place = 2
  while runs[at] do
    local kind, units, count, policy, changes = runs[at], runs[at + 1], runs[at + 2], runs[at + 3], runs[at + 4]
    local size = kind == 2 and count or kind == 1 and 1 or places(count, policy)
    for _ = 1, changes do
      if visit then visit(first, count, size)
      elseif kind == 2 then all_or_none(first, count, units, policy)
      elseif kind == 1 then adjust(first, count, units, policy, at + 4)
      else consume(first, count, units, policy, size) end
      first = first + count
      place = place + size
    end
    at = at + 5 + (kind == 1 and 2 * count or 0)
  end
end
each()
if writes > 0 then
  local failed = write()
  if failed then
    each(function(first, count, size)
      for n = 1, count do
        if scales[keys[first + n]] then refuse(size, failed) end
      end
    end)
  end
end
reply[1] = done
return reply
`)
