#!lua flags=allow-oom
-- Brings deliveries of a callback's waiting line back to their lanes, in their order.
--
-- KEYS  1 parked  2 the callback's line  3 high  4 normal  5 low  6 bulk
-- ARGV  1 callback  2 how many at most
-- result how many were moved
-- Invariant: the callback is in parked exactly while its line is not empty.
local streams = {high = KEYS[3], normal = KEYS[4], low = KEYS[5], bulk = KEYS[6]}
local tickets = redis.call('LRANGE', KEYS[2], 0, ARGV[2] - 1)
for _, ticket in ipairs(tickets) do
  redis.call('XADD', streams[string.match(ticket, '(%S+)$')], '*', 'd', ticket)
end
redis.call('LTRIM', KEYS[2], #tickets, -1)
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('SREM', KEYS[1], ARGV[1]) end
return #tickets
