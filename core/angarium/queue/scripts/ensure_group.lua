#!lua flags=allow-oom
-- Makes a lane's consumer group where it is missing (first start, or Redis lost its data), from the stream's beginning.
--
-- KEYS  1 a lane
-- ARGV  1 group
-- result 1 if it was made, 0 if it was there
if redis.call('EXISTS', KEYS[1]) == 1 then
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    if group[2] == ARGV[1] then return 0 end
  end
end
redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
return 1
