#!lua flags=allow-oom
-- Tells the shard the limits of callbacks and the weights of tenants. Every deliverer tells what it knows; the newer counts.
--
-- KEYS  1 counters
-- ARGV  for each 4 values: callback or tenant, the tenant of the callback ('' for a tenant's weight), revision, limits
--       `<most in flight (0: suspended, 1000000: drains)> <µs between attempts (0: any)> <burst>` or weight ('': the default)
-- result how many were changed
local changed = 0
for i = 1, #ARGV, 4 do
  local name, tenant, revision, limits = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local known = redis.call('HGET', LIMITS, name)
  local before = known and tenant ~= '' and tonumber(string.match(known, '^%d+')) or 0
  local wanted = limits ~= '' and (tenant ~= '' and revision .. ' ' .. limits or limits) or false
  if tonumber(revision) >= before and wanted ~= known then
    if wanted then redis.call('HSET', LIMITS, name, wanted) else redis.call('HDEL', LIMITS, name) end
    if tenant ~= '' then resume(tenant, name) end
    changed = changed + 1
  end
end
return changed
