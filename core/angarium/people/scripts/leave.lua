#!lua flags=allow-oom
-- Takes users out of a group.
--
-- KEYS  1 users
-- ARGV  1 name of the group  2.. user ids
-- result how many were members, or -1 (there is no such group)
-- Safe to repeat, but then says that they were none.
local number = number_of(ARGV[1])
if not number then return -1 end
local count = 0
for i = 2, #ARGV do
  if redis.call('ZREM', base .. 'group:' .. number, ARGV[i]) == 1 then
    count = count + 1
    local rest = {}
    for _, each in ipairs(groups_of(ARGV[i])) do
      if each ~= number then rest[#rest + 1] = each end
    end
    keep_groups(ARGV[i], rest)
  end
end
return count
