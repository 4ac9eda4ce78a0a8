#!lua flags=allow-oom
-- Forgets devices, whosever they are.
--
-- KEYS  1 users
-- ARGV  tokens
-- result for each the id of the user who had it, or ''
-- Safe to repeat.
local owners = {}
for i, token in ipairs(ARGV) do
  local id = owner('token', token)
  owners[i] = id or ''
  if id then
    local user = read(id)
    user.devices = without(user.devices, token)
    write(id, user)
    redis.call('HDEL', base .. 'by:token', token)
  end
end
return owners
