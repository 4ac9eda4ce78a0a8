#!lua
-- Stores a notification with all its deliveries, or nothing. Refused whole while Redis is out of memory.
--
-- KEYS  1 notification  2 idempotency (the notification again when there is no key)
-- ARGV  1 notification id  2 doc  3 body  4 tenant  5 lane  6 due (ms, 0: now)  7 fingerprint ('': no key)
--       8 seconds the key is kept  9 the tenant's backlog quota (0: none)  10 seconds a finished notification is kept
--       11.. callback ids
-- result {'stored', now ms} | {'replay', notification id} | {'conflict', notification id} | {'full', the tenant's backlog}
-- Safe to repeat: the same notification id is stored once.
-- Invariant: accepted = delivered + refused + dead + waiting.
local id, tenant, lane, due = ARGV[1], ARGV[4], ARGV[5], tonumber(ARGV[6])
if redis.call('EXISTS', KEYS[1]) == 1 then return {'stored', now} end
if ARGV[7] ~= '' then
  local known = redis.call('GET', KEYS[2])
  if known then
    local first, fingerprint = string.match(known, '^(%S+) (%S+)$')
    if fingerprint == ARGV[7] then return {'replay', first} end
    return {'conflict', first}
  end
end
local count, quota = #ARGV - 10, tonumber(ARGV[9])
if count > 0 then
  local mine = redis.call('HINCRBY', base .. 'backlog', tenant, count)
  if quota > 0 and mine > quota then
    redis.call('HINCRBY', base .. 'backlog', tenant, -count)
    return {'full', mine - count}
  end
end

local fields = {'doc', ARGV[2], 'body', ARGV[3], 'size', count, 'open', count}
local state = string.format('waiting 0 %d %d 0 0 0 -', due > now and due or now, now)
for i = 1, count do
  fields[#fields + 1] = i - 1
  fields[#fields + 1] = state
end
for i = 1, #fields, 1000 do -- Lua's stack takes no more than some thousand values
  redis.call('HSET', KEYS[1], unpack(fields, i, math.min(i + 999, #fields)))
end
if ARGV[7] ~= '' then redis.call('SET', KEYS[2], id .. ' ' .. ARGV[7], 'EX', ARGV[8]) end
redis.call('ZADD', base .. 'x:' .. tenant, 0, id)
redis.call('HINCRBY', COUNTERS, 'notifications', 1)
if count == 0 then
  redis.call('ZADD', base .. 'expiry', now + ARGV[10] * 1000, id .. ' ' .. tenant)
  return {'stored', now}
end
redis.call('HINCRBY', COUNTERS, 'accepted', count)
for i = 1, count do
  local callback = ARGV[10 + i]
  local ticket = id .. ' ' .. (i - 1) .. ' ' .. tenant .. ' ' .. callback .. ' ' .. lane
  redis.call('HINCRBY', base .. 'callbacks:backlog', callback, 1)
  if due > now then
    redis.call('ZADD', base .. 'schedule', due, ticket)
  else
    queue(ticket, 'RPUSH')
  end
end
return {'stored', now}
