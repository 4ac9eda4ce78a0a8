#!lua flags=no-writes
-- Reads notifications with their deliveries, without their bodies.
--
-- KEYS  notifications
-- ARGV  none
-- result for each: {} (unknown) | {doc, state of delivery 0, state of delivery 1, …}
local results = {}
for i, key in ipairs(KEYS) do
  local head = redis.call('HMGET', key, 'doc', 'size')
  results[i] = {}
  if head[1] then
    results[i][1] = head[1]
    local size = tonumber(head[2])
    for first = 0, size - 1, 1000 do -- Lua's stack takes no more than some thousand values
      local indices = {}
      for n = first, math.min(first + 999, size - 1) do indices[#indices + 1] = n end
      for n, state in ipairs(redis.call('HMGET', key, unpack(indices))) do results[i][first + n + 1] = state end
    end
  end
end
return results
