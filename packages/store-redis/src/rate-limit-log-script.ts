/**
 * The part of the limits' script that knows buckets by windows: a log is two doubles for each entry, big-endian, its start and its units. It
 * does step by step what `liveLog`, `usedOf`, `charge` and `giveBack` of `@portcullis/rate-limit` do: the same operations in the same order.
 *
 * While the script runs, a log is a list of starts and units in turns. Entries before `first` have gone, `to` is the last. What a check that
 * charges nothing finds gone stays: the calendar of another may still count it.
 *
 * A policy is here 1, 2 where what is past fades, or 3 for a calendar; quota; window, grain, alignment and life of an entry, or, of a calendar,
 * the beginning and the end of its period.
 */
export const LOGS: string = `
local logs, look, charge, giveBack, freed, save = {}
if asked[4] then
  local rep, min = string.rep, math.min
  local function parse(text)
    if #text == 0 or #text % 16 ~= 0 then return nil end
    local list, before = {}, 0
    -- A call can answer so many values, and no more.
    for from = 0, #text - 1, 3200 do
      local count = min(400, (#text - from) / 8)
      local found = { unpacked('>' .. rep('d', count), text, from + 1) }
      for n = 1, count do list[from / 8 + n] = found[n] end
    end
    for n = 1, #list, 2 do
      local start, units = list[n], list[n + 1]
      if not (start > before and start < 1e30 and units >= 1 and units < 1e30) then return nil end
      before = start
    end
    return list
  end
  -- What counts now: the log, the first such entry, the time, where a charge goes, units that count in full, and those that fade.
  look = function(bucket, meter)
    local key, text = keys[bucket], kept[bucket]
    local log = logs[key]
    if not log then
      local list = text and parse(text) or {}
      if text and #list == 0 then return nil end
      log = { list = list, first = 1, to = #list - 1 }
      logs[key] = log
    end
    local list, first, to, kind = log.list, log.first, log.to, meter[1]
    local newest = first <= to and list[to] or 0
    local time, start, units, faded = max(now, newest), nil, 0, 0
    if kind == 3 then
      -- Whoever is behind counts in the period that another has begun.
      start = max(meter[3], newest)
      while first <= to and list[first] < start do first = first + 2 end
    else
      while first <= to and list[first] + meter[6] <= time do first = first + 2 end
      start = first <= to and time - list[to] < meter[4] and list[to] or time - fmod(time, meter[5])
    end
    for n = first, to, 2 do
      if kind == 2 and list[n] + meter[3] <= time then faded = faded + list[n + 1] else units = units + list[n + 1] end
    end
    return { log = log, first = first, last = first <= to and list[to] or 0, time = time, start = start, units = units, faded = faded }
  end
  charge = function(bucket, meter, found, units)
    local log, start = found.log, found.start
    local list, to = log.list, log.to
    if found.first <= to and list[to] == start then
      list[to + 1] = list[to + 1] + units
    else
      to = to + 2
      list[to], list[to + 1] = start, units
    end
    log.first, log.to = found.first, to
    -- A period's end is not that of the later one that another has begun; and to a clock that is far behind, it is long over.
    if meter[1] ~= 3 then log.over = start + meter[6]
    elseif start == meter[3] then log.over = max(log.over or 0, meter[4] + 300000, now + 300000) end
    mark(keys[bucket], 0)
  end
  giveBack = function(bucket, meter, found, units, from)
    local log, left, backwards, list = found.log, units, {}, {}
    for n = log.to, found.first, -2 do
      local start, had = log.list[n], log.list[n + 1]
      local taken = (from < 0 or from == start) and min(left, had) or 0
      left = left - taken
      if had > taken then
        backwards[#backwards + 1] = had - taken
        backwards[#backwards + 1] = start
      end
    end
    for n = #backwards, 1, -1 do list[#list + 1] = backwards[n] end
    log.list, log.first, log.to = list, 1, #list - 1
    if meter[1] ~= 3 and #list > 0 then log.over = list[log.to] + meter[6] end
    mark(keys[bucket], 0)
  end
  -- After a check: the entry with which enough for the same cost will have left. Only a strict limit has as many that one has to look.
  freed = function(meter, found, charged, units)
    local need, list = found.units + charged + units - meter[2], found.log.list
    if meter[1] == 3 or meter[4] ~= 1 or units > meter[2] or need <= 0 then return 0 end
    for n = found.first, found.log.to, 2 do
      need = need - list[n + 1]
      if need <= 0 then return list[n] end
    end
    return 0
  end
  save = function(key, log)
    local parts, last = {}, log.to + 1
    for from = log.first, last, 400 do
      local upto = min(from + 399, last)
      parts[#parts + 1] = pack('>' .. rep('d', upto - from + 1), unpack(log.list, from, upto))
    end
    if not log.over then return pcall('SET', key, table.concat(parts), 'KEEPTTL').err end
    local over = log.over + ahead
    return pcall('SET', key, table.concat(parts), 'PXAT', format('%d', over < 2 ^ 53 and over or 2 ^ 53)).err
  end
end
`
