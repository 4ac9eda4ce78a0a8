#!lua flags=allow-oom
-- Says into how many shards a gateway writes, and tells which numbers are in use.
--
-- KEYS  1 shards (HASH)
-- ARGV  1 number of shards (0: this pod only asks)
-- result {now (ms), {number of shards, when a gateway last said so (ms), ...}}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '0' then redis.call('HSET', KEYS[1], ARGV[1], now) end
return {now, redis.call('HGETALL', KEYS[1])}
