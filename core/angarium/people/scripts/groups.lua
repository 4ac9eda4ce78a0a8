#!lua flags=no-writes
-- Reads groups, in the order of their names.
--
-- KEYS  1 users
-- ARGV  1 from which name, as ZRANGE BYLEX has it  2 to which  3 how many
-- result for each {name, number, made at (ms), members}
local result = {}
for i, name in ipairs(redis.call('ZRANGE', base .. 'names', ARGV[1], ARGV[2], 'BYLEX', 'LIMIT', 0, ARGV[3])) do
  local number, made = string.match(redis.call('HGET', base .. 'groups', name), '^(%d+) (%d+)')
  result[i] = {name, tonumber(number), tonumber(made), redis.call('ZCARD', base .. 'group:' .. number)}
end
return result
