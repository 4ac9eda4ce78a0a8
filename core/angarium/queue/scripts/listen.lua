#!lua flags=allow-oom
-- Notes in a notification that a gateway wants to hear of it.
--
-- KEYS  1 notification
-- ARGV  1 name of the gateway, without spaces
-- result 1 | 0 (there is no such notification)
-- Safe to repeat. Whatever settles one of its deliveries says so in the gateway's list, and the note goes with its end.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local names = redis.call('HGET', KEYS[1], 'w')
if not names then
  redis.call('HSET', KEYS[1], 'w', ARGV[1])
elseif not string.find(' ' .. names .. ' ', ' ' .. ARGV[1] .. ' ', 1, true) then
  redis.call('HSET', KEYS[1], 'w', names .. ' ' .. ARGV[1])
end
return 1
