-- How a delivery that has ended starts anew, for the scripts that do it at a person's wish. Goes behind lines.lua.

local function part_of(key) -- of which notification for a group, and of which of its deliveries; nil: of none
  return string.match(redis.call('HGET', key, 'up') or '', '^(%S+) (%d+) (%d+)$')
end

local function read_state(key, index) -- state, attempts, due, changed, recoveries, fence, started, reason; nil: unknown
  return string.match(redis.call('HGET', key, index) or '', '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d) (%S+)$')
end

-- From delivered, refused or dead to waiting, at the end of its line. Nothing of its attempts is left but their timeline.
local function restart(key, id, index, tenant, callback, lane, state, fence, reason)
  redis.call('HSET', key, index, string.format('waiting 0 %d %d 0 %s 0 %s', now, now, fence, reason))
  redis.call('HDEL', key, 'r' .. index)
  redis.call('HINCRBY', key, 'open', 1)
  redis.call('HINCRBY', COUNTERS, state, -1)
  if state ~= 'delivered' and redis.call('HINCRBY', DEAD, tenant, -1) <= 0 then redis.call('HDEL', DEAD, tenant) end
  redis.call('HINCRBY', base .. 'backlog', tenant, 1)
  redis.call('HINCRBY', base .. 'callbacks:backlog', callback, 1)
  redis.call('ZREM', base .. 'expiry', id .. ' ' .. tenant)
  local up, index_of = part_of(key)
  if up and redis.call('EXISTS', base .. 'n:' .. up) == 1 then
    redis.call('HINCRBY', base .. 'n:' .. up, 'open', 1)
    redis.call('HINCRBY', base .. 'n:' .. up, 'g' .. index_of .. ':' .. state, -1)
    redis.call('ZREM', base .. 'expiry', up .. ' ' .. tenant)
  end
  queue(table.concat({id, index, tenant, callback, lane}, ' '), 'RPUSH')
end

local function failing(notification)
  if redis.call('EXISTS', base .. 'w:' .. notification) == 1 then return true end
  for index = 0, redis.call('HGET', base .. 'n:' .. notification, 'size') - 1 do
    local state = string.match(redis.call('HGET', base .. 'n:' .. notification, index), '^(%S+)')
    if state == 'refused' or state == 'dead' then return true end
  end
  return false
end

-- Once for each notification of which something starts anew: who wished it, and whether it is still among the failed.
local function note_restart(key, id, tenant, entry)
  redis.call('RPUSH', base .. 't:' .. id, string.format('%d 0 ', now) .. entry)
  local up, index_of, number_of = part_of(key)
  local whole = id
  if up and redis.call('EXISTS', base .. 'n:' .. up) == 1 then
    whole = up
    if not failing(id) then redis.call('ZREM', base .. 'w:' .. up, string.format('%07d %07d', index_of, number_of)) end
  end
  if not failing(whole) then redis.call('ZREM', base .. 'f:' .. tenant, whole) end
end
