#!lua flags=allow-oom
-- Forgets one user, with everything that leads there.
--
-- KEYS  1 users
-- ARGV  1 user id
-- result {} (there is none) | {JSON, names of the groups that held it…}
-- Safe to repeat, but then says that there is none.
local id = ARGV[1]
local doc = redis.call('GET', base .. 'user:' .. id)
if not doc then return {} end
local user, result = cjson.decode(doc), {doc}
for _, number in ipairs(groups_of(id)) do
  redis.call('ZREM', base .. 'group:' .. number, id)
  result[#result + 1] = redis.call('HGET', base .. 'numbers', number)
end
for _, field in ipairs(NAMING) do
  if user[field] then redis.call('HDEL', base .. 'by:' .. field, folded(field, user[field])) end
end
for _, device in ipairs(user.devices or {}) do redis.call('HDEL', base .. 'by:token', device.token) end
redis.call('HDEL', base .. 'memberships', id)
redis.call('ZREM', KEYS[1], id)
redis.call('UNLINK', base .. 'user:' .. id)
return result
