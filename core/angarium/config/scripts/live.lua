#!lua flags=no-writes
-- Reads which pods live and what each has applied.
--
-- KEYS  1 beats  2 applied
-- ARGV  1 ms of silence after which a pod is dead
-- result a flat list: `<role> <pod>`, what it has applied (JSON), …
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], now - ARGV[1], '+inf', 'BYSCORE')) do
  found[#found + 1] = member
  found[#found + 1] = redis.call('HGET', KEYS[2], member) or '{}'
end
return found
