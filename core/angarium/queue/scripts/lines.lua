-- What several scripts do alike: waiting lines, the rings that say whose turn it is, and how callbacks stand.
-- angarium.lua puts this in front of a script; KEYS[1] names a key of the shard, whose prefix the others share. The names
-- and contents are told in angarium/keys.py.
--
-- A callback's line in a lane is in one of three states: empty; seated (in its tenant's ring, which is in the lane's ring
-- exactly while it is not empty); or paused (it has no share left: in `paused`, with the time to look again).
local base = string.match(KEYS[1], '^.-}:')
local LANES = {'test', 'high', 'normal', 'low'}
local BELL, READY, PAUSED = base .. 'bell', base .. 'ready', base .. 'paused'
local STANDING, LIMITS, COUNTERS, DEAD = base .. 'callbacks:standing', base .. 'limits', base .. 'counters', base .. 'dead'
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

-- A callback's standing: numbers, then words, in the order of angarium/keys.py (packed: a sixth of the cost of text).
local FORM = '<ddddddddddddddss'
local FLIGHT, FULL, TAT, PROBE, OPENED, WINDOW, GOOD, BAD, WAS_GOOD, WAS_BAD = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local DELIVERED, FIRST, LAST, FAILURES, ENDPOINT, REASON = 11, 12, 13, 14, 15, 16
-- FULL is 1 while one in flight is waited for to land, and PAUSED_NOW while it has no share for another reason; once it is served
-- again, less than 0: until when it had none (-ms). 0: it always had one.
local PAUSED_NOW = -1
local standings = {}

local function read_standing(callback, text)
  local row = text and {struct.unpack(FORM, text)} or {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', ''}
  standings[callback] = row
  return row
end

local function standing(callback)
  return standings[callback] or read_standing(callback, redis.call('HGET', STANDING, callback))
end

local function save_standings()
  local fields = {}
  for callback, row in pairs(standings) do
    fields[#fields + 1] = callback
    fields[#fields + 1] = struct.pack(FORM, unpack(row, 1, 16))
  end
  for i = 1, #fields, 1000 do redis.call('HSET', STANDING, unpack(fields, i, math.min(i + 999, #fields))) end
end

local function landed(tenant, callback) -- one less in flight
  local row = standing(callback)
  row[FLIGHT] = math.max(0, row[FLIGHT] - 1)
  if row[FULL] == 1 then
    row[FULL] = PAUSED_NOW
    resume(tenant, callback)
  end
  return row
end

local function doubtful(row) -- it failed last time, or has never answered and is being tried
  return row[FAILURES] > 0 or (row[DELIVERED] == 0 and row[FLIGHT] > 0)
end

-- When a delivery was due, where its callback has neither failed nor been without a share since; else 0. What such deliveries
-- wait for is us.
local function ours(row, due) return row[LAST] < due and -row[FULL] < due and row[FULL] ~= PAUSED_NOW and due or 0 end

-- Begins an attempt; an attempt that was begun before and whose end nobody knows is repeated under its own number and
-- counted as a recovery; one that was sent is asked after, which spends none. nil: there is none to begin.
-- Doc and body come with the first delivery of a notification alone: with the others they are empty.
local handed = {}

local function begin(ticket)
  local id, index = string.match(ticket, '^(%S+) (%d+)')
  local key = base .. 'n:' .. id
  local found
  if handed[id] then
    found = redis.call('HMGET', key, index, 'r' .. index)
  else
    found = redis.call('HMGET', key, index, 'r' .. index, 'doc', 'body')
  end
  local state, attempts, due, _, recoveries, fence, started, reason =
    string.match(found[1] or '', '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d) (%S+)$')
  if state ~= 'waiting' then return nil end
  if started == '1' then
    recoveries = recoveries + 1
    redis.call('HINCRBY', COUNTERS, 'recovered', 1)
  elseif reason ~= 'sent' then
    attempts = attempts + 1
  end
  fence = fence + 1
  redis.call('HSET', key, index, string.format('waiting %d %s %d %d %d 1 %s', attempts, due, now, recoveries, fence, reason))
  local doc, body = found[3] or '', found[4]
  if not handed[id] then
    handed[id] = true
    if not body then -- a part of one for a group, which has it
      local up = string.match(redis.call('HGET', key, 'up') or '', '^%S+')
      body = up and redis.call('HGET', base .. 'n:' .. up, 'body')
    end
  end
  return tonumber(attempts), tonumber(recoveries), fence, doc, body or '', found[2] or '', tonumber(due)
end

-- Tells gateways where somebody waits for a notification that something of it was settled; with its end they hear no more.
local function signal(names, id, over)
  for name in string.gmatch(names, '%S+') do
    redis.call('RPUSH', base .. 'signals:' .. name, id)
    redis.call('PEXPIRE', base .. 'signals:' .. name, 10000)
  end
  if over then redis.call('HDEL', base .. 'n:' .. id, 'w') end
end

-- What ends in parts of a notification for a group is counted there, once for each script.
local ups = {}

local function announce(id, result) -- that it has ended: in `result`, and where it is found again if that gets lost
  redis.call('ZADD', base .. 'ended', now, id)
  result[#result + 1], result[#result + 2] = id, now
end

local function end_in_part(up, id, tenant, state, retention, result)
  local parent, index, number = string.match(up, '^(%S+) (%d+) (%d+)$')
  local sums = ups[parent] or {tenant = tenant, retention = retention, ended = 0, fields = {}}
  local field = 'g' .. index .. ':' .. state
  sums.result = sums.result or result
  ups[parent], sums.ended, sums.fields[field] = sums, sums.ended + 1, (sums.fields[field] or 0) + 1
  if state ~= 'delivered' then
    redis.call('ZADD', base .. 'f:' .. tenant, 0, parent)
    redis.call('ZADD', base .. 'w:' .. parent, 0, string.format('%07d %07d', index, number))
  end
end

local function tell_ups()
  for parent, sums in pairs(ups) do
    local key = base .. 'n:' .. parent
    if redis.call('EXISTS', key) == 1 then
      for field, by in pairs(sums.fields) do redis.call('HINCRBY', key, field, by) end
      local open, names = redis.call('HINCRBY', key, 'open', -sums.ended), redis.call('HGET', key, 'w')
      if names then signal(names, parent, open <= 0) end
      if open <= 0 then
        redis.call('ZADD', base .. 'expiry', now + sums.retention * 1000, parent .. ' ' .. sums.tenant)
        if sums.result then announce(parent, sums.result) end
      end
    end
  end
end
