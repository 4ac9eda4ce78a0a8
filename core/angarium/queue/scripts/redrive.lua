#!lua
-- A person's wish to try again: what was refused or is dead starts anew, what is scheduled is due at once.
--
-- KEYS  1 notification
-- ARGV  1 notification id  2 tenant  3 lane  4 timeline entry  5.. pairs: delivery index, callback
-- result for each delivery 'redriven' | 'hastened' | 'in_flight' (its attempt is being made, or it is ready)
--        | 'delivered' | 'unknown'
-- Invariant: accepted = delivered + refused + dead + waiting.
local id, tenant, lane = ARGV[1], ARGV[2], ARGV[3]
local results, changed = {}, false
for i = 5, #ARGV, 2 do
  local index, callback = ARGV[i], ARGV[i + 1]
  local state, attempts, _, _, recoveries, fence, started, reason = read_state(KEYS[1], index)
  local stem = table.concat({id, index, tenant, callback, ''}, ' ')
  local result = 'unknown'
  if state == 'refused' or state == 'dead' then
    result = 'redriven'
    restart(KEYS[1], id, index, tenant, callback, lane, state, fence, reason)
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
if changed then note_restart(KEYS[1], id, tenant, ARGV[4]) end
return results
