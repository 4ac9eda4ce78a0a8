-- What several scripts do alike: waiting lines, the rings that say whose turn it is, and how callbacks stand.
-- angarium.lua puts this in front of a script; KEYS[1] names a key of the shard, whose prefix the others share. The names
-- and contents are told in angarium/keys.py.
--
-- A callback's line in a lane is in one of three states: empty; seated (in its tenant's ring, which is in the lane's ring
-- exactly while it is not empty); or paused (it has no share left: in `paused`, with the time to look again).
local base = string.match(KEYS[1], '^.-}:')
local LANES = {'test', 'high', 'normal', 'low'}
local BELL, READY, PAUSED = base .. 'bell', base .. 'ready', base .. 'paused'
local STANDING, LIMITS, COUNTERS = base .. 'callbacks:standing', base .. 'limits', base .. 'counters'
local MOST_IN_FLIGHT = 100 -- where a callback has no limit of its own (angarium/records.py)
local OPEN_MS, PROBE_MS = 30000, 60000 -- the circuit is open for so long; so long a probe may take
local WINDOW_MS = 300000 -- the breaker's, in two halves
local LEAST_ATTEMPTS, OPENS_AT = 10, 0.7
local time = redis.call('TIME')
local now, now_us = time[1] * 1000 + math.floor(time[2] / 1000), time[1] * 1000000 + time[2]

local function ring_bell()
  if redis.call('EXISTS', BELL) == 0 then redis.call('RPUSH', BELL, 1) end
end

local function seat(lane, tenant, callback)
  if redis.call('RPUSH', base .. 'ring:' .. lane .. ':' .. tenant, callback) > 1 then return end
  if redis.call('RPUSH', base .. 'ring:' .. lane, tenant) == 1 then ring_bell() end
end

local function queue(ticket, push)
  local tenant, callback, lane = string.match(ticket, '^%S+ %d+ (%S+) (%S+) (%S+)$')
  redis.call('HINCRBY', READY, lane, 1)
  if redis.call(push, base .. 'line:' .. lane .. ':' .. callback, ticket) == 1 then seat(lane, tenant, callback) end
end

local function pause(lane, tenant, callback, wake)
  redis.call('ZADD', PAUSED, wake or 'inf', lane .. ' ' .. tenant .. ' ' .. callback)
end

local function resume(tenant, callback)
  for _, lane in ipairs(LANES) do
    if redis.call('ZREM', PAUSED, lane .. ' ' .. tenant .. ' ' .. callback) == 1 then seat(lane, tenant, callback) end
  end
end

local ROW = '^(%d+) (%d) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%S+) (%S+)$'
local FORM = '%d %d %.0f %d %d %d %d %d %d %d %d %d %d %d %s %s'
local NOTHING = '0 0 0 0 0 0 0 0 0 0 0 0 0 0 - -'
local standings = {}

local function read_standing(callback, text)
  local flight, full, tat, probe, opened, window, good, bad, was_good, was_bad, delivered, first, last, failures, endpoint, reason =
    string.match(text or NOTHING, ROW)
  local row = {
    flight = tonumber(flight), full = tonumber(full), tat = tonumber(tat), probe = tonumber(probe), opened = tonumber(opened),
    window = tonumber(window), good = tonumber(good), bad = tonumber(bad), was_good = tonumber(was_good),
    was_bad = tonumber(was_bad), delivered = tonumber(delivered), first = tonumber(first), last = tonumber(last),
    failures = tonumber(failures), endpoint = endpoint, reason = reason,
  }
  standings[callback] = row
  return row
end

local function standing(callback)
  return standings[callback] or read_standing(callback, redis.call('HGET', STANDING, callback))
end

local function save_standings()
  local fields = {}
  for callback, r in pairs(standings) do
    fields[#fields + 1] = callback
    fields[#fields + 1] = string.format(FORM, r.flight, r.full, r.tat, r.probe, r.opened, r.window, r.good, r.bad, r.was_good,
      r.was_bad, r.delivered, r.first, r.last, r.failures, r.endpoint, r.reason)
  end
  for i = 1, #fields, 1000 do redis.call('HSET', STANDING, unpack(fields, i, math.min(i + 999, #fields))) end
end

local function landed(tenant, callback) -- one less in flight
  local row = standing(callback)
  row.flight = math.max(0, row.flight - 1)
  if row.full == 1 then
    row.full = 0
    resume(tenant, callback)
  end
  return row
end

local function doubtful(row) -- it failed last time, or has never answered and is being tried
  return row.failures > 0 or (row.delivered == 0 and row.flight > 0)
end

-- Begins an attempt; an attempt that was begun before and whose end nobody knows is repeated under its own number and
-- counted as a recovery. nil: there is none to begin.
local function begin(ticket)
  local id, index = string.match(ticket, '^(%S+) (%d+)')
  local key = base .. 'n:' .. id
  local found = redis.call('HMGET', key, index, 'doc', 'body')
  local state, attempts, due, _, recoveries, fence, started, reason =
    string.match(found[1] or '', '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d) (%S+)$')
  if state ~= 'waiting' then return nil end
  if started == '1' then
    recoveries = recoveries + 1
    redis.call('HINCRBY', COUNTERS, 'recovered', 1)
  else
    attempts = attempts + 1
  end
  fence = fence + 1
  redis.call('HSET', key, index, string.format('waiting %d %s %d %d %d 1 %s', attempts, due, now, recoveries, fence, reason))
  return tonumber(attempts), tonumber(recoveries), fence, found[2], found[3]
end
