#!lua flags=allow-oom
-- Removes a consumer that goes, where it holds nothing; what it still holds is left for others to claim.
--
-- KEYS  1 test  2 high  3 normal  4 low
-- ARGV  1 group  2 consumer
-- result how many entries it still holds
local held = 0
for _, stream in ipairs(KEYS) do
  local pending = #redis.call('XPENDING', stream, ARGV[1], '-', '+', 1, ARGV[2])
  if pending == 0 then redis.call('XGROUP', 'DELCONSUMER', stream, ARGV[1], ARGV[2]) end
  held = held + pending
end
return held
