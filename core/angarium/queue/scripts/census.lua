#!lua flags=no-writes
-- Counts what a shard holds.
--
-- KEYS  1 counters
-- ARGV  1 how many tenants of each lane's ring are looked at for the oldest
-- result {counters as a flat list, scheduled, parked, then for each lane {ready, in flight, ms since the oldest ready is due}}
local parked, all = {}, 0
for _, member in ipairs(redis.call('ZRANGE', PAUSED, 0, -1)) do
  local lane, callback = string.match(member, '^(%S+) %S+ (%S+)$')
  local length = redis.call('LLEN', base .. 'line:' .. lane .. ':' .. callback)
  parked[lane], all = (parked[lane] or 0) + length, all + length
end
local answer = {redis.call('HGETALL', COUNTERS), redis.call('ZCARD', base .. 'schedule'), all}
for _, lane in ipairs(LANES) do
  local oldest = now
  for _, tenant in ipairs(redis.call('LRANGE', base .. 'ring:' .. lane, 0, ARGV[1] - 1)) do
    local callback = redis.call('LINDEX', base .. 'ring:' .. lane .. ':' .. tenant, 0)
    local ticket = redis.call('LINDEX', base .. 'line:' .. lane .. ':' .. callback, 0)
    local id, index = string.match(ticket, '^(%S+) (%d+)')
    local due = string.match(redis.call('HGET', base .. 'n:' .. id, index) or '', '^%S+ %d+ (%d+)')
    if due then oldest = math.min(oldest, tonumber(due)) end
  end
  local ready = (redis.call('HGET', READY, lane) or 0) - (parked[lane] or 0)
  answer[#answer + 1] = {ready, redis.call('XLEN', base .. 'lane:' .. lane), now - oldest}
end
return answer
