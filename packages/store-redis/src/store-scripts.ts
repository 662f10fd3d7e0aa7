import { CLOCK, Script } from './script.ts'

/*
 * KEYS: the entry; where its collection has indexes, also the set of the index (`i`, score 0, found by ranges of bytes) and that of
 * expiries (`x`, score: when). Both hold members `index NUL key NUL id`.
 *
 * Everything is read before anything is written, so that what is of a wrong type is found while nothing is half done; and what
 * needs memory is written first, so that a server that has none left refuses all of it.
 *
 * Redis removes a key when its time is past, and a value here is gone in the very millisecond: hence the 1.
 */

const ENTRIES = `${CLOCK}
local function parse(entry)
  local version, expires, at = string.match(entry, '^(%d+)%z(%d*)%z()')
  if not version then error('this is no entry') end
  return version, tonumber(expires), at
end
local function members(entry, at, list)
  local id = string.sub(KEYS[1], #KEYS[2] + 2)
  while true do
    local index, key, after = string.match(entry, '^(%Z+)%z(%Z+)%z()', at)
    if not index then return list end
    list[#list + 1] = index .. '\\0' .. key .. '\\0' .. id
    at = after
  end
end
local function expiry(at) return whole(math.max(1, at + ahead - 1)) end
local function last() return redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')[2] end
-- Members whose time is past: more of them with each write than it adds, so that they cannot pile up.
local function passed(added) return redis.call('ZRANGE', KEYS[3], '-inf', whole(now), 'BYSCORE', 'LIMIT', 0, added + 8) end
local function unlink(list, kept)
  for _, member in ipairs(list) do
    if not (kept and kept[member]) then
      redis.call('ZREM', KEYS[2], member)
      redis.call('ZREM', KEYS[3], member)
    end
  end
end
-- Both sets live as long as the last of their members.
local function settle(before)
  local after = last()
  if not after or after == before then return end
  for n = 2, 3 do
    if after == 'inf' then redis.call('PERSIST', KEYS[n]) else redis.call('PEXPIREAT', KEYS[n], expiry(tonumber(after))) end
  end
end
`

/**
 * Creates, or replaces where the version is the second argument. ARGV: now or '', expected version or '', new version, expiresAt or '',
 * the entry. Answers 1 when the new version is there already, since a driver may have sent the same command twice.
 */
export const PUT: Script = new Script(`${ENTRIES}
local old
if KEYS[2] then old = redis.call('GET', KEYS[1]) or '' else old = redis.call('GETRANGE', KEYS[1], 0, 63) end
local version, expires, at
if old ~= '' then version, expires, at = parse(old) end
local live = version and not (expires and expires <= now)
if live and version == ARGV[3] then return 1 end
if ARGV[2] == '' then
  if live then return 0 end
elseif not live or version ~= ARGV[2] then
  return 0
end
local expiresAt = tonumber(ARGV[4])
local over = expiresAt and expiresAt <= now
local added, gone, before = {}
if KEYS[2] then
  redis.call('ZCARD', KEYS[2])
  if not over then
    local _, _, from = parse(ARGV[5])
    members(ARGV[5], from, added)
  end
  before, gone = last(), passed(#added)
  if version then members(old, at, gone) end
end
if over then
  redis.call('DEL', KEYS[1])
elseif expiresAt then
  redis.call('SET', KEYS[1], ARGV[5], 'PXAT', expiry(expiresAt))
else
  redis.call('SET', KEYS[1], ARGV[5])
end
if KEYS[2] then
  local kept = {}
  for _, member in ipairs(added) do
    kept[member] = true
    redis.call('ZADD', KEYS[2], 0, member)
    redis.call('ZADD', KEYS[3], expiresAt and whole(expiresAt) or 'inf', member)
  end
  unlink(gone, kept)
  settle(before)
end
return 1
`)

/** Reads and removes. ARGV: now or '', '' to have the entry and anything else to be told only whether there was one. */
export const TAKE: Script = new Script(`${ENTRIES}
local old = redis.call('GET', KEYS[1])
if not old then return false end
local _, expires, at = parse(old)
if expires and expires <= now then return false end
local gone, before
if KEYS[2] then
  redis.call('ZCARD', KEYS[2])
  before, gone = last(), passed(0)
  members(old, at, gone)
end
redis.call('DEL', KEYS[1])
if KEYS[2] then
  unlink(gone)
  settle(before)
end
if ARGV[2] == '' then return old end
return 1
`)

/**
 * A page of an index. KEYS: `i`, `x`. ARGV: now or '', where to begin and to end, REV or '', how many entries at most, and how many bytes
 * of a member stand before the id. Answers the time, whether there may be more, the last id that was looked at, and ids and entries.
 *
 * Only members whose time is past are removed. One without an entry may have it on another node while the slot moves, so it is answered
 * without: whoever asked looks for it there.
 */
export const FIND: Script = new Script(`${CLOCK}
local members
if ARGV[4] == '' then
  members = redis.call('ZRANGE', KEYS[1], ARGV[2], ARGV[3], 'BYLEX', 'LIMIT', 0, 256)
else
  members = redis.call('ZRANGE', KEYS[1], ARGV[2], ARGV[3], 'BYLEX', 'REV', 'LIMIT', 0, 256)
end
local base = string.sub(KEYS[1], 1, -2) .. 'e:'
local most, skip = tonumber(ARGV[5]), tonumber(ARGV[6])
local reply, dead, found, bytes, more = { whole(now), '0', '' }, {}, 0, 0, #members == 256
for n, member in ipairs(members) do
  local id = string.sub(member, skip + 1)
  local score = redis.call('ZSCORE', KEYS[2], member)
  reply[3] = id
  if score and score ~= 'inf' and tonumber(score) <= now then
    dead[#dead + 1] = member
  else
    local entry = redis.pcall('GET', base .. id)
    if type(entry) ~= 'string' then entry = false end
    reply[#reply + 1] = id
    reply[#reply + 1] = entry
    found = found + 1
    bytes = bytes + #(entry or '')
    if found == most or bytes > 1048576 then
      more = more or n < #members
      break
    end
  end
end
if more then reply[2] = '1' end
if #dead > 0 then
  redis.pcall('ZREM', KEYS[1], unpack(dead))
  redis.pcall('ZREM', KEYS[2], unpack(dead))
end
return reply
`)

/** How many partitions the store under a prefix has: as it was first said to be. */
export const PARTITIONS: Script = new Script(`
local known = redis.call('GET', KEYS[1])
if known then return known end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
`)
