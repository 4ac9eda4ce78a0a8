#!lua flags=allow-oom
-- Moves deliveries that are due from the schedule to their lines, and seats callbacks that may go on.
--
-- KEYS  1 counters
-- ARGV  1 how many of each at most  2 ms that a pause may last (one that would be longer comes from a clock put back)
-- result {moved, ms until the next is due (-1: nothing is)}
-- Invariant: a ticket is in the schedule or in a line, never in both, never in neither.
local SCHEDULE = base .. 'schedule'
local tickets = redis.call('ZRANGE', SCHEDULE, '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
for _, ticket in ipairs(tickets) do
  queue(ticket, 'RPUSH')
  redis.call('ZREM', SCHEDULE, ticket)
end
local function wake(members)
  for _, member in ipairs(members) do
    redis.call('ZREM', PAUSED, member)
    seat(string.match(member, '^(%S+) (%S+) (%S+)$'))
  end
end
wake(redis.call('ZRANGE', PAUSED, '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1]))
wake(redis.call('ZRANGE', PAUSED, now + ARGV[2], '(inf', 'BYSCORE', 'LIMIT', 0, ARGV[1]))
local wait = -1
for _, set in ipairs({SCHEDULE, PAUSED}) do
  local next = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2]
  if next and next ~= 'inf' then
    local left = math.max(0, next - now)
    if wait < 0 or left < wait then wait = left end
  end
end
return {#tickets, wait}
