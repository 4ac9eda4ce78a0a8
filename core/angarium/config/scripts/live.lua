#!lua flags=no-writes
-- Reads which pods live and what each has applied.
--
-- KEYS  1 beats  2 applied
-- ARGV  1 ms of silence after which a pod is dead
-- result a flat list: `<role> <pod>`, what it has applied (JSON), …
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local members = redis.call('ZRANGE', KEYS[1], now - ARGV[1], '+inf', 'BYSCORE')
if #members == 0 then return {} end
local found = {}
for i, applied in ipairs(redis.call('HMGET', KEYS[2], unpack(members))) do
  found[#found + 1] = members[i]
  found[#found + 1] = applied or '{}'
end
return found
