#!lua flags=allow-oom
-- Ends a delivery as its carrier reports, between two attempts of it: delivered or refused, with its timeline entry and all
-- counters, or not at all.
--
-- KEYS  1 counters
-- ARGV  1 the report  2 notification id  3 delivery index  4 tenant  5 callback  6 delivered | refused  7 reason
--       8 timeline entry without its times  9 seconds the finished notification is kept  10 what the carrier calls the
--       message  11 how a reference begins that says only that it may have been sent  12 '1' if the notification's end is
--       to be announced
-- result {'settled'[, notification that has ended by it, ms]} | 'busy' (an attempt of it is ready or in flight: the report stays) | 'over' (there is none, it has
--        reached its end, or a refusal is about another message than the one that it waits for: the report is dropped)
-- Safe to repeat. Invariant: accepted = delivered + refused + dead + waiting; a delivery leaves the schedule only together
-- with its state; what ends in a part of a notification for a group is counted there in the same step.
local result = {'settled'}
local tells = ARGV[12] == '1' and result
local report, id, index, tenant, callback, move = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local key = base .. 'n:' .. id
local found = redis.call('HMGET', key, index, 'open', 'r' .. index, 'up', 'w')
local state, attempts, _, _, recoveries, fence, started =
  string.match(found[1] or '', '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d)')

local function over()
  redis.call('ZREM', base .. 'reports', report)
  return 'over'
end

local function begins(text, with) return with ~= '' and string.sub(text, 1, #with) == with end

local function unscheduled()
  for _, lane in ipairs(LANES) do
    if redis.call('ZREM', base .. 'schedule', table.concat({id, index, tenant, callback, lane}, ' ')) == 1 then return true end
  end
  return false
end

local function lower(hash, name)
  if redis.call('HINCRBY', hash, name, -1) <= 0 then redis.call('HDEL', hash, name) end
end

if state ~= 'waiting' then return over() end
if started == '1' then return 'busy' end
local reference = found[3] or ''
if move == 'refused' and not begins(reference, ARGV[10]) and not begins(reference, ARGV[11]) then return over() end
if not unscheduled() then return 'busy' end
redis.call('HSET', key, 'open', found[2] - 1, index, string.format('%s %s 0 %d %s %s 0 %s',
  move, attempts, now, recoveries, fence, ARGV[7] ~= '' and ARGV[7] or '-'))
redis.call('HDEL', key, 'r' .. index)
redis.call('RPUSH', base .. 't:' .. id, string.format('%d 0 ', now) .. ARGV[8])
if found[5] then signal(found[5], id, found[2] - 1 <= 0) end
redis.call('HINCRBY', COUNTERS, move, 1)
lower(base .. 'backlog', tenant)
lower(base .. 'callbacks:backlog', callback)
if found[4] then
  end_in_part(found[4], id, tenant, move, ARGV[9], tells)
elseif move == 'refused' then
  redis.call('ZADD', base .. 'f:' .. tenant, 0, id)
end
if move ~= 'delivered' then redis.call('HINCRBY', DEAD, tenant, 1) end
if found[2] - 1 <= 0 then
  redis.call('ZADD', base .. 'expiry', now + ARGV[9] * 1000, id .. ' ' .. tenant)
  if tells and not found[4] then announce(id, tells) end
end
tell_ups()
redis.call('ZREM', base .. 'reports', report)
return result
