#!lua flags=allow-oom
-- Deletes a group; its members stay users. What their memberships say of it is left there: its number is never given again.
--
-- KEYS  1 users
-- ARGV  1 name
-- result how many members it had, or -1 (there is no such group)
-- Safe to repeat, but then says that there is none.
local number = number_of(ARGV[1])
if not number then return -1 end
local count = redis.call('ZCARD', base .. 'group:' .. number)
redis.call('HDEL', base .. 'groups', ARGV[1])
redis.call('HDEL', base .. 'numbers', number)
redis.call('ZREM', base .. 'names', ARGV[1])
redis.call('UNLINK', base .. 'group:' .. number)
return count
