#!lua flags=no-writes
-- Reads some members of a group, or some of all users, in the order of their ids.
--
-- KEYS  1 users
-- ARGV  1 name of a group ('': all users)  2 its number, if the reader knows it ('': it begins)  3 id to go on after ('':
--       from the first)  4 how many
-- result {} (no such group, or no longer that one) | {number, 1 if there are more, id, JSON, id, JSON…}
local number, key = '0', KEYS[1]
if ARGV[1] ~= '' then
  number = number_of(ARGV[1])
  if not number or ARGV[2] ~= '' and ARGV[2] ~= number then return {} end
  key = base .. 'group:' .. number
end
local first = ARGV[3] == '' and '-' or '(' .. ARGV[3]
local limit = tonumber(ARGV[4])
local ids = redis.call('ZRANGE', key, first, '+', 'BYLEX', 'LIMIT', 0, limit + 1)
local result, keys = {number, #ids > limit and 1 or 0}, {}
for i = 1, math.min(#ids, limit) do keys[i] = base .. 'user:' .. ids[i] end
if #keys > 0 then
  for i, doc in ipairs(redis.call('MGET', unpack(keys))) do
    result[#result + 1] = ids[i]
    result[#result + 1] = doc
  end
end
return result
