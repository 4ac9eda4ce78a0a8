#!lua flags=allow-oom
-- Moves deliveries that are due from the schedule to their lanes.
--
-- KEYS  1 schedule  2 parked  3 high  4 normal  5 low  6 bulk
-- ARGV  1 how many at most
-- result {moved, ms until the next is due (-1: none is scheduled), callbacks with a waiting line}
-- Invariant: a ticket is in the schedule or in a lane, never in both, never in neither.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local tickets = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
local streams = {high = KEYS[3], normal = KEYS[4], low = KEYS[5], bulk = KEYS[6]}
for _, ticket in ipairs(tickets) do
  redis.call('XADD', streams[string.match(ticket, '(%S+)$')], '*', 'd', ticket)
  redis.call('ZREM', KEYS[1], ticket)
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local wait = -1
if next[2] then wait = math.max(0, next[2] - now) end
return {#tickets, wait, redis.call('SMEMBERS', KEYS[2])}
