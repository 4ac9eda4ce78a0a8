#!lua flags=allow-oom
-- Lets one delivery of many be the one that is sent, or takes that back.
--
-- KEYS  1 what they have in common
-- ARGV  1 delivery  2 seconds that this is remembered (0: it was not sent after all)
-- result the delivery whose it is ('': nobody's)
-- Safe to repeat. Invariant: it is one delivery's from its first claim until the time is over or it gives it back.
local owner = redis.call('GET', KEYS[1])
if ARGV[2] == '0' then
  if owner ~= ARGV[1] then return owner or '' end
  redis.call('DEL', KEYS[1])
  return ''
end
if owner then return owner end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
