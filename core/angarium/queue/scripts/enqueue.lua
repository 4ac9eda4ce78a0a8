#!lua
-- Stores a notification with all its deliveries, or nothing. Refused whole while Redis is out of memory.
--
-- KEYS  1 notification  2 idempotency (the notification again when there is no key)  3 counters  4 backlog  5 index
--       6 schedule  7 callback backlog  8 expiry  9 high  10 normal  11 low  12 bulk
-- ARGV  1 notification id  2 doc  3 body  4 tenant  5 lane  6 due (ms, 0: now)  7 fingerprint ('': no key)
--       8 seconds the key is kept  9 the tenant's backlog quota (0: none)  10 share of the backlog in percent above
--       which the tenant is noisy  11 seconds a finished notification is kept  12.. callback ids
-- result {'stored', now ms} | {'replay', notification id} | {'conflict', notification id} | {'full', the tenant's backlog}
-- Safe to repeat: the same notification id is stored once.
-- Invariant: accepted = delivered + refused + dead + waiting, and backlog '*' = waiting.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
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
local count = #ARGV - 11
local mine = tonumber(redis.call('HGET', KEYS[4], tenant) or '0')
local quota = tonumber(ARGV[9])
if quota > 0 and mine + count > quota then return {'full', mine} end

local fields = {'doc', ARGV[2], 'body', ARGV[3], 'size', count, 'open', count}
for i = 1, count do
  fields[#fields + 1] = i - 1
  fields[#fields + 1] = string.format('waiting 0 %d %d 0 0 0 -', due > now and due or now, now)
end
for i = 1, #fields, 1000 do -- Lua's stack takes no more than some thousand values
  redis.call('HSET', KEYS[1], unpack(fields, i, math.min(i + 999, #fields)))
end
if ARGV[7] ~= '' then redis.call('SET', KEYS[2], id .. ' ' .. ARGV[7], 'EX', ARGV[8]) end
redis.call('ZADD', KEYS[5], 0, id)
redis.call('HINCRBY', KEYS[3], 'notifications', 1)
if count == 0 then
  redis.call('ZADD', KEYS[8], now + ARGV[11] * 1000, id .. ' ' .. tenant)
  return {'stored', now}
end
redis.call('HINCRBY', KEYS[3], 'accepted', count)
mine = redis.call('HINCRBY', KEYS[4], tenant, count)
local all = redis.call('HINCRBY', KEYS[4], '*', count)
local noisy = mine >= 30 and all > mine and mine * 100 > all * tonumber(ARGV[10])
if noisy then lane = 'bulk' end
local stream = KEYS[({high = 9, normal = 10, low = 11, bulk = 12})[lane]]
for i = 1, count do
  local callback = ARGV[11 + i]
  local ticket = table.concat({id, i - 1, tenant, callback, lane}, ' ')
  redis.call('HINCRBY', KEYS[7], callback, 1)
  if due > now then
    redis.call('ZADD', KEYS[6], due, ticket)
  else
    redis.call('XADD', stream, '*', 'd', ticket)
  end
end
return {'stored', now}
