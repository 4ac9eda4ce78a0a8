#!lua flags=allow-oom
-- Gives an entry back without spending an attempt: to its lane at once, to the schedule, or to its callback's own line.
--
-- KEYS  1 high  2 normal  3 low  4 bulk  5 schedule  6 parked  7 the callback's line  8 notification  9 counters
-- ARGV  1 group  2 consumer  3 lane (1..4)  4 entry id  5 ticket  6 fence of the attempt that was cut short ('' if none
--       was begun, '*' whichever it is: it was not made)  7 'lane' | 'schedule' | 'parked'  8 delay ms (schedule)
-- result {'released', due ms} | {'taken'} (the consumer does not hold it any more, or it was released before)
-- An attempt that was cut short and goes to its lane may have reached the receiver: it counts as recovered.
-- Invariant: the delivery is in exactly one of lane, schedule and line; who had begun an attempt can't settle it any more.
local group, consumer, stream, entry, ticket = ARGV[1], ARGV[2], KEYS[tonumber(ARGV[3])], ARGV[4], ARGV[5]
if #redis.call('XPENDING', stream, group, entry, entry, 1, consumer) == 0 then return {'taken'} end
local _, index, _, callback = string.match(ticket, '^(%S+) (%d+) (%S+) (%S+)')
local state, attempts, due, changed, recoveries, fence, started, reason =
  string.match(redis.call('HGET', KEYS[8], index) or '', '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d) (%S+)$')
redis.call('XACK', stream, group, entry)
redis.call('XDEL', stream, entry)
if state ~= 'waiting' then return {'taken'} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if started == '1' and (ARGV[6] == '*' or ARGV[6] == fence) then
  attempts, started = attempts - 1, '0'
  if ARGV[6] == fence and ARGV[7] == 'lane' then redis.call('HINCRBY', KEYS[9], 'recovered', 1) end
end
due = ARGV[7] == 'schedule' and now + tonumber(ARGV[8]) or now
redis.call('HSET', KEYS[8], index,
  string.format('waiting %d %d %d %s %d %s %s', attempts, due, now, recoveries, fence + 1, started, reason))
if ARGV[7] == 'lane' then
  redis.call('XADD', stream, '*', 'd', ticket)
elseif ARGV[7] == 'schedule' then
  redis.call('ZADD', KEYS[5], due, ticket)
else
  redis.call('RPUSH', KEYS[7], ticket)
  redis.call('SADD', KEYS[6], callback)
end
return {'released', due}
