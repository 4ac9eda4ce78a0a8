#!lua flags=allow-oom
-- Hands up to `count` ready deliveries to a consumer: first each lane's share, then whatever is there, high first.
--
-- KEYS  1 high  2 normal  3 low  4 bulk
-- ARGV  1 group  2 consumer  3 count  4..7 share of each lane (their sum is the whole)
-- result a list of {lane (1..4), entry id, ticket}
-- Invariant: no more than `count` in all; every lane that has entries gets its share, so low is never starved.
local group, consumer, free = ARGV[1], ARGV[2], tonumber(ARGV[3])
local whole = ARGV[4] + ARGV[5] + ARGV[6] + ARGV[7]
local found = {}
local function take(lane, count)
  if count < 1 then return end
  local reply = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', KEYS[lane], '>')
  if not reply then return end
  for _, entry in ipairs(reply[1][2]) do
    found[#found + 1] = {lane, entry[1], entry[2][2]}
  end
end
local budget = free
for lane = 1, 4 do
  take(lane, math.min(budget - #found, math.ceil(budget * ARGV[3 + lane] / whole)))
end
for lane = 1, 4 do take(lane, budget - #found) end
return found
