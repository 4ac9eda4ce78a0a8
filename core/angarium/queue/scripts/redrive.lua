#!lua
-- A person's wish to try again: what was refused or is dead starts anew, what is scheduled is due at once.
--
-- KEYS  1 notification  2 timeline  3 counters  4 backlog  5 schedule  6 expiry  7 callback backlog  8 failed
--       9 high  10 normal  11 low  12 bulk
-- ARGV  1 notification id  2 tenant  3 lane  4 the member of expiry  5 timeline entry  6.. pairs: delivery index, callback
-- result for each delivery 'redriven' | 'hastened' | 'in_flight' (its attempt is being made, or it is ready)
--        | 'delivered' | 'unknown'
-- Invariant: accepted = delivered + refused + dead + waiting.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, tenant, lane = ARGV[1], ARGV[2], ARGV[3]
local stream = KEYS[({high = 9, normal = 10, low = 11, bulk = 12})[lane]]
local results, changed = {}, false
for i = 6, #ARGV, 2 do
  local index, callback = ARGV[i], ARGV[i + 1]
  local state, attempts, due, _, recoveries, fence, started, reason =
    string.match(redis.call('HGET', KEYS[1], index) or '', '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d) (%S+)$')
  local ticket = table.concat({id, index, tenant, callback, lane}, ' ')
  local result = 'unknown'
  if state == 'refused' or state == 'dead' then
    result = 'redriven'
    redis.call('HSET', KEYS[1], index, string.format('waiting 0 %d %d 0 %s 0 %s', now, now, fence, reason))
    redis.call('HINCRBY', KEYS[1], 'open', 1)
    redis.call('HINCRBY', KEYS[3], state, -1)
    redis.call('HINCRBY', KEYS[4], tenant, 1)
    redis.call('HINCRBY', KEYS[4], '*', 1)
    redis.call('HINCRBY', KEYS[7], callback, 1)
    redis.call('ZREM', KEYS[6], ARGV[4])
    redis.call('XADD', stream, '*', 'd', ticket)
  elseif state == 'delivered' then
    result = 'delivered'
  elseif state == 'waiting' then
    result = 'in_flight'
    for _, candidate in ipairs({'high', 'normal', 'low', 'bulk'}) do
      local scheduled = table.concat({id, index, tenant, callback, candidate}, ' ')
      if redis.call('ZREM', KEYS[5], scheduled) == 1 then
        result = 'hastened'
        redis.call('HSET', KEYS[1], index,
          string.format('waiting %s %d %d %s %s %s %s', attempts, now, now, recoveries, fence, started, reason))
        redis.call('XADD', stream, '*', 'd', ticket)
      end
    end
  end
  if result == 'redriven' or result == 'hastened' then changed = true end
  results[#results + 1] = result
end
if changed then
  redis.call('RPUSH', KEYS[2], string.format('%d 0 ', now) .. ARGV[5])
  local failing = false
  for index = 0, redis.call('HGET', KEYS[1], 'size') - 1 do
    local state = string.match(redis.call('HGET', KEYS[1], index), '^(%S+)')
    if state == 'refused' or state == 'dead' then failing = true end
  end
  if not failing then redis.call('ZREM', KEYS[8], id) end
end
return results
