#!lua flags=allow-oom
-- Hands out reports of carriers. Each is handed out again after a while unless it was dealt with: its deliverer may have died.
--
-- KEYS  1 reports
-- ARGV  1 how many at most  2 ms until they are handed out again
-- result the reports
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local heard = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
for _, report in ipairs(heard) do redis.call('ZADD', KEYS[1], now + ARGV[2], report) end
return heard
