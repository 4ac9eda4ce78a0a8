#!lua flags=no-writes
-- Names the groups that a user is in.
--
-- KEYS  1 users
-- ARGV  1 user id
-- result names
local names = {}
for i, number in ipairs(groups_of(ARGV[1])) do names[i] = redis.call('HGET', base .. 'numbers', number) end
return names
