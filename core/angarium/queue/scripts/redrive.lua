#!lua
-- A person's wish to try again: what was refused or is dead starts anew, what is scheduled is due at once.
--
-- KEYS  1 notification
-- ARGV  1 notification id  2 tenant  3 lane  4 timeline entry  5.. pairs: delivery index, callback
-- result for each delivery 'redriven' | 'hastened' | 'in_flight' (its attempt is being made, or it is ready)
--        | 'delivered' | 'unknown'
-- Invariant: accepted = delivered + refused + dead + waiting.
local id, tenant, lane = ARGV[1], ARGV[2], ARGV[3]
local up, index_of, number_of = string.match(redis.call('HGET', KEYS[1], 'up') or '', '^(%S+) (%d+) (%d+)$')
local results, changed = {}, false
for i = 5, #ARGV, 2 do
  local index, callback = ARGV[i], ARGV[i + 1]
  local state, attempts, due, _, recoveries, fence, started, reason =
    string.match(redis.call('HGET', KEYS[1], index) or '', '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d) (%S+)$')
  local stem = table.concat({id, index, tenant, callback, ''}, ' ')
  local result = 'unknown'
  if state == 'refused' or state == 'dead' then
    result = 'redriven'
    redis.call('HSET', KEYS[1], index, string.format('waiting 0 %d %d 0 %s 0 %s', now, now, fence, reason))
    redis.call('HDEL', KEYS[1], 'r' .. index)
    redis.call('HINCRBY', KEYS[1], 'open', 1)
    redis.call('HINCRBY', COUNTERS, state, -1)
    if redis.call('HINCRBY', DEAD, tenant, -1) <= 0 then redis.call('HDEL', DEAD, tenant) end
    redis.call('HINCRBY', base .. 'backlog', tenant, 1)
    redis.call('HINCRBY', base .. 'callbacks:backlog', callback, 1)
    redis.call('ZREM', base .. 'expiry', id .. ' ' .. tenant)
    if up and redis.call('EXISTS', base .. 'n:' .. up) == 1 then
      redis.call('HINCRBY', base .. 'n:' .. up, 'open', 1)
      redis.call('HINCRBY', base .. 'n:' .. up, 'g' .. index_of .. ':' .. state, -1)
      redis.call('ZREM', base .. 'expiry', up .. ' ' .. tenant)
    end
    queue(stem .. lane, 'RPUSH')
  elseif state == 'delivered' then
    result = 'delivered'
  elseif state == 'waiting' then
    result = 'in_flight'
    for _, candidate in ipairs(LANES) do
      if redis.call('ZREM', base .. 'schedule', stem .. candidate) == 1 then
        result = 'hastened'
        redis.call('HSET', KEYS[1], index,
          string.format('waiting %s %d %d %s %s %s %s', attempts, now, now, recoveries, fence, started, reason))
        queue(stem .. lane, 'RPUSH')
      end
    end
  end
  if result == 'redriven' or result == 'hastened' then changed = true end
  results[#results + 1] = result
end
local function failing(notification)
  if redis.call('EXISTS', base .. 'w:' .. notification) == 1 then return true end
  for index = 0, redis.call('HGET', base .. 'n:' .. notification, 'size') - 1 do
    local state = string.match(redis.call('HGET', base .. 'n:' .. notification, index), '^(%S+)')
    if state == 'refused' or state == 'dead' then return true end
  end
  return false
end
if changed then
  redis.call('RPUSH', base .. 't:' .. id, string.format('%d 0 ', now) .. ARGV[4])
  local whole = id
  if up and redis.call('EXISTS', base .. 'n:' .. up) == 1 then
    whole = up
    if not failing(id) then redis.call('ZREM', base .. 'w:' .. up, string.format('%07d %07d', index_of, number_of)) end
  end
  if not failing(whole) then redis.call('ZREM', base .. 'f:' .. tenant, whole) end
end
return results
