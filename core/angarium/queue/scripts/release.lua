#!lua flags=allow-oom
-- Gives an entry back without spending an attempt: to the front of its line, or to the schedule.
--
-- KEYS  1 counters
-- ARGV  1 group  2 consumer  3 lane (1..4)  4 entry id  5 ticket  6 fence of the attempt that was cut short ('' if none
--       was begun, '*' whichever it is: it was not made)  7 'line' | 'schedule'  8 delay ms (schedule)
-- result {'released', due ms} | {'taken'} (the consumer does not hold it any more, or it was released before)
-- An attempt that was cut short and goes to its line may have reached the receiver: it counts as recovered.
-- Invariant: the delivery is in exactly one of line, schedule and stream; who had begun an attempt can't settle it any more.
local group, consumer, entry, ticket = ARGV[1], ARGV[2], ARGV[4], ARGV[5]
local stream = base .. 'lane:' .. LANES[tonumber(ARGV[3])]
if #redis.call('XPENDING', stream, group, entry, entry, 1, consumer) == 0 then return {'taken'} end
local id, index, tenant, callback = string.match(ticket, '^(%S+) (%d+) (%S+) (%S+)')
local key = base .. 'n:' .. id
local state, attempts, due, changed, recoveries, fence, started, reason =
  string.match(redis.call('HGET', key, index) or '', '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d) (%S+)$')
redis.call('XACK', stream, group, entry)
redis.call('XDEL', stream, entry)
landed(tenant, callback)
save_standings()
if state ~= 'waiting' then return {'taken'} end
if started == '1' and (ARGV[6] == '*' or ARGV[6] == fence) then
  attempts, started = reason == 'sent' and attempts or attempts - 1, '0'
  if ARGV[6] == fence and ARGV[7] == 'line' then redis.call('HINCRBY', COUNTERS, 'recovered', 1) end
end
due = ARGV[7] == 'schedule' and now + tonumber(ARGV[8]) or now
redis.call('HSET', key, index,
  string.format('waiting %d %d %d %s %d %s %s', attempts, due, now, recoveries, fence + 1, started, reason))
if ARGV[7] == 'schedule' then
  redis.call('ZADD', base .. 'schedule', due, ticket)
else
  queue(ticket, 'LPUSH')
end
return {'released', due}
