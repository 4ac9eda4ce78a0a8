#!lua flags=allow-oom
-- Forgets one finished notification whose time has come, with all that points to it.
--
-- KEYS  1 expiry  2 notification  3 timeline  4 index  5 failed  6 failing parts
-- ARGV  1 the member of expiry  2 notification id
-- result 1 | 0 (not due any more: it was redriven, or somebody else was faster)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) > now then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[6])
redis.call('ZREM', KEYS[4], ARGV[2])
redis.call('ZREM', KEYS[5], ARGV[2])
return 1
