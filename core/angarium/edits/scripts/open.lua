#!lua flags=no-writes
-- The edits that are open, and what time it is where their entries got theirs.
--
-- KEYS  1 edits
-- ARGV  1 how many at most
-- result {now (ms), entries as XRANGE gives them, oldest first}
local time = redis.call('TIME')
return {time[1] * 1000 + math.floor(time[2] / 1000), redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[1])}
