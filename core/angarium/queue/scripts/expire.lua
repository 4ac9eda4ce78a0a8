#!lua flags=allow-oom
-- Forgets one finished notification whose time has come, with all that points to it.
--
-- KEYS  1 expiry  2 notification  3 timeline  4 index  5 failed  6 failing parts  7 dead
-- ARGV  1 the member of expiry  2 notification id  3 tenant
-- result 1 | 0 (not due any more: it was redriven, or somebody else was faster)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) > now then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
local lost = 0 -- of its deliveries are refused or dead; those of a part are told in the whole it is of
if redis.call('ZREM', KEYS[5], ARGV[2]) == 1 or redis.call('HEXISTS', KEYS[2], 'up') == 1 then
  for index = 0, (redis.call('HGET', KEYS[2], 'size') or 0) - 1 do
    local state = string.match(redis.call('HGET', KEYS[2], index) or '', '^(%S+)')
    if state == 'refused' or state == 'dead' then lost = lost + 1 end
  end
end
if lost > 0 and redis.call('HINCRBY', KEYS[7], ARGV[3], -lost) <= 0 then redis.call('HDEL', KEYS[7], ARGV[3]) end
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[6])
redis.call('ZREM', KEYS[4], ARGV[2])
return 1
