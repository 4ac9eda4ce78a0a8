#!lua flags=allow-oom
-- Says that a pod lives and what it has applied; tells when the others of its role last did so.
--
-- KEYS  1 beats  2 applied
-- ARGV  1 role  2 pod  3 what it has applied (JSON)  4… a pod to be forgotten, if its beat is still this one, and that beat
-- result a flat list: pod, its last beat (ms of Redis's clock, which may jump: whether it changes is all that it tells), …
local time = redis.call('TIME')
local me = ARGV[1] .. ' ' .. ARGV[2]
redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), me)
redis.call('HSET', KEYS[2], me, ARGV[3])
for i = 4, #ARGV, 2 do
  local gone = ARGV[1] .. ' ' .. ARGV[i]
  if redis.call('ZSCORE', KEYS[1], gone) == ARGV[i + 1] then
    redis.call('ZREM', KEYS[1], gone)
    redis.call('HDEL', KEYS[2], gone)
  end
end
local others = {}
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #all, 2 do
  local role, pod = string.match(all[i], '^(%S+) (%S+)$')
  if role == ARGV[1] and pod ~= ARGV[2] then
    others[#others + 1] = pod
    others[#others + 1] = all[i + 1]
  end
end
return others
