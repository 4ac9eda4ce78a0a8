#!lua
-- Makes a group, empty.
--
-- KEYS  1 users
-- ARGV  1 name  2 most groups  3 a word that is new for each wish to make one
-- result {'created', number} | {'exists', number} | {'full', groups}
-- Safe to repeat: who made it is told so again.
local known = redis.call('HGET', base .. 'groups', ARGV[1])
if known then
  local number, maker = string.match(known, '^(%d+) %d+ (%S+)$')
  return {maker == ARGV[3] and 'created' or 'exists', tonumber(number)}
end
local count = redis.call('HLEN', base .. 'groups')
if count >= tonumber(ARGV[2]) then return {'full', count} end
local number = redis.call('HINCRBY', base .. 'numbers', 'last', 1)
redis.call('HSET', base .. 'groups', ARGV[1], string.format('%d %d %s', number, now, ARGV[3]))
redis.call('HSET', base .. 'numbers', number, ARGV[1])
redis.call('ZADD', base .. 'names', 0, ARGV[1])
return {'created', number}
