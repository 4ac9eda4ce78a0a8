#!lua flags=allow-oom
-- Says that a pod lives and what it has applied; tells which of its kind have fallen silent.
--
-- KEYS  1 beats  2 applied
-- ARGV  1 role  2 pod  3 what it has applied (JSON)  4 ms of silence after which a pod is dead  5 ms after which it is
--       forgotten
-- result {now (ms), pods of the same role that are dead and not yet forgotten}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me = ARGV[1] .. ' ' .. ARGV[2]
redis.call('ZADD', KEYS[1], now, me)
redis.call('HSET', KEYS[2], me, ARGV[3])
local dead = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', now - ARGV[4], 'BYSCORE')) do
  local role, pod = string.match(member, '^(%S+) (%S+)$')
  if tonumber(redis.call('ZSCORE', KEYS[1], member)) < now - ARGV[5] then
    redis.call('ZREM', KEYS[1], member)
    redis.call('HDEL', KEYS[2], member)
  elseif role == ARGV[1] then
    dead[#dead + 1] = pod
  end
end
return {now, dead}
