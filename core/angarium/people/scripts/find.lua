#!lua flags=no-writes
-- Reads users.
--
-- KEYS  1 users
-- ARGV  for each: id, key, phone, email or token; its value
-- result for each {} (there is none) | {id, JSON}
local results = {}
for i = 1, #ARGV, 2 do
  local id = find(ARGV[i], ARGV[i + 1])
  results[#results + 1] = id and {id, redis.call('GET', base .. 'user:' .. id)} or {}
end
return results
