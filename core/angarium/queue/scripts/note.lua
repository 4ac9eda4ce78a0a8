#!lua
-- Keeps what a carrier reports of a delivery until a deliverer has heard it. Refused while Redis is out of memory.
--
-- KEYS  1 counters
-- ARGV  1 notification id  2 delivery index  3 the report  4 most that are kept
-- result 'kept' | 'late' (nothing of it waits any more: there is none, or it has reached its end) | 'full'
-- Safe to repeat: the same report is kept once.
local state = string.match(redis.call('HGET', base .. 'n:' .. ARGV[1], ARGV[2]) or '', '^%S+')
if state ~= 'waiting' then return 'late' end
local REPORTS = base .. 'reports'
if redis.call('ZSCORE', REPORTS, ARGV[3]) then return 'kept' end
if redis.call('ZCARD', REPORTS) >= tonumber(ARGV[4]) then return 'full' end
redis.call('ZADD', REPORTS, now, ARGV[3])
return 'kept'
