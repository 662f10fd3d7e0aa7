import { LOGS } from './rate-limit-log-script.ts'

/**
 * The part of the limits' script for changes that may meet, that ask nothing, or that have logs. What they find is read first and what they
 * leave is written last, once for each bucket, however many of them met there.
 */
export const REMEMBERED: string = `
local leads, scales, written, writes = {}, {}, {}, 0
local places, consume, adjust, write
if asked[3] then
local function mark(key, scale)
  if not scales[key] then
    writes = writes + 1
    written[writes] = key
    scales[key] = scale
  end
end
${LOGS}
places = function(count, at)
  local size = 0
  for n = at + 1, at + count do size = size + (policies[n][1] == 0 and 1 or 4) end
  return size
end
local function lead(bucket, scale)
  local key, text = keys[bucket], kept[bucket]
  local found = leads[key]
  if not found then
    found = 0
    if text then found = parse(text, scale) end
    leads[key] = found
  end
  return found
end
local function lets(found, policy, units)
  if policy[1] == 0 then return found + units * policy[3] <= policy[4] end
  local used = found.units
  if found.faded > 0 then
    local before = used > 0 and found.last - policy[3] or found.last
    used = used + found.faded * (before + policy[6] - found.time) / policy[3]
  end
  return used + units <= policy[2]
end
local function find(bucket, policy)
  if policy[1] == 0 then return lead(bucket, policy[2]) end
  return look(bucket, policy)
end
local function change(bucket, policy, found, units)
  if policy[1] ~= 0 then return charge(bucket, policy, found, units) end
  leads[keys[bucket]] = max(0, found + units * policy[3])
  mark(keys[bucket], policy[2])
end
consume = function(first, count, units, at, size)
  local buckets, allowed = {}, true
  for n = 1, count do
    local found = find(first + n, policies[at + n])
    if not found then return refuse(size, NONE) end
    buckets[n] = found
    allowed = lets(found, policies[at + n], units) and allowed
  end
  local charged = allowed and units or 0
  local to = place
  for n = 1, count do
    local policy, found = policies[at + n], buckets[n]
    if charged > 0 then change(first + n, policy, found, units) end
    if policy[1] == 0 then
      reply[to + 1] = said(found)
      to = to + 1
    else
      reply[to + 1], reply[to + 2], reply[to + 3] = said(found.last), said(found.units), said(found.faded)
      reply[to + 4] = said(freed(policy, found, charged, units))
      to = to + 4
    end
  end
end
adjust = function(first, count, units, at, times)
  for n = 1, count do
    if not find(first + n, policies[at + n]) then return refuse(1, NONE) end
  end
  reply[place + 1] = 0
  for n = 1, count do
    local bucket, policy, back, from = first + n, policies[at + n], runs[times + 2 * n - 1], runs[times + 2 * n]
    local found = find(bucket, policy)
    if units > 0 then change(bucket, policy, found, units)
    -- Otherwise time has given it back already, or nothing is known of it.
    elseif (back < 0 or back > now) and found ~= 0 then
      if policy[1] == 0 then change(bucket, policy, found, units) else giveBack(bucket, policy, found, -units, from) end
    end
  end
end
-- What needs memory goes first: where there is none, or no write is taken, nothing was done.
write = function()
  local gone = {}
  for n = 1, writes do
    local key = written[n]
    local log, failed = logs[key], nil
    if log and log.first <= log.to then
      failed = save(key, log)
      done = done + 1
    elseif not log and leads[key] > 0 then
      failed = keep(key, leads[key], scales[key])
      done = done + 1
    else
      gone[#gone + 1] = key
    end
    if failed then
      done = 0
      return failed
    end
  end
  for n = 1, #gone do
    local answer = pcall('DEL', gone[n])
    if type(answer) == 'table' then
      done = 0
      return answer.err
    end
    done = done + answer
  end
end
end
`
