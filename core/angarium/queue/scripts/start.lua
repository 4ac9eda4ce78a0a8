#!lua flags=allow-oom
-- Begins an attempt of each delivery that the consumer still holds. The attempt is counted before it is made; one that
-- a dead consumer had begun is repeated under its own number and counted as a recovery.
--
-- KEYS  1 counters  2 high  3 normal  4 low  5 bulk  6.. notification of each entry
-- ARGV  1 group  2 consumer  3.. for each entry: lane (1..4), entry id, delivery index
-- result for each entry {'go', attempt, recoveries, fence, doc, body} | {'taken'} (another consumer holds it)
--        | {'done'} (settled already, or its notification is gone: the entry is dropped)
-- Invariant: a delivery that is not waiting is never begun again; fence is new for each beginning (a fencing token).
local group, consumer = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local results = {}
for i = 1, #KEYS - 5 do
  local base = 3 + (i - 1) * 3
  local stream, entry, index = KEYS[1 + ARGV[base]], ARGV[base + 1], ARGV[base + 2]
  local found = redis.call('HMGET', KEYS[5 + i], index, 'doc', 'body')
  local state, attempts, due, _, recoveries, fence, started, reason =
    string.match(found[1] or '', '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d) (%S+)$')
  if #redis.call('XPENDING', stream, group, entry, entry, 1, consumer) == 0 then
    results[i] = {'taken'}
  elseif state ~= 'waiting' then
    redis.call('XACK', stream, group, entry)
    redis.call('XDEL', stream, entry)
    results[i] = {'done'}
  else
    if started == '1' then
      recoveries = recoveries + 1
      redis.call('HINCRBY', KEYS[1], 'recovered', 1)
    else
      attempts = attempts + 1
    end
    fence = fence + 1
    redis.call('HSET', KEYS[5 + i], index,
      string.format('waiting %d %s %d %d %d 1 %s', attempts, due, now, recoveries, fence, reason))
    results[i] = {'go', tonumber(attempts), tonumber(recoveries), fence, found[2], found[3]}
  end
end
return results
