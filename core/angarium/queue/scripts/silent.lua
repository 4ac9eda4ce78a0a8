#!lua flags=no-writes
-- Names the consumers that have asked for nothing for a while.
--
-- KEYS  1 test  2 high  3 normal  4 low
-- ARGV  1 group  2 ms of silence  3 a consumer that is not meant
-- result names; one may stand there for each lane
local names = {}
for _, stream in ipairs(KEYS) do
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, ARGV[1])) do
    if consumer[6] >= tonumber(ARGV[2]) and consumer[2] ~= ARGV[3] then names[#names + 1] = consumer[2] end
  end
end
return names
