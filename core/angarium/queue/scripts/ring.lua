#!lua flags=allow-oom
-- Rings for the others where something is ready: who goes may have heard the bell, and it rings but once.
--
-- KEYS  1 counters
-- result 1 where something is ready
for _, lane in ipairs(LANES) do
  if redis.call('EXISTS', base .. 'ring:' .. lane) == 1 then
    ring_bell()
    return 1
  end
end
return 0
