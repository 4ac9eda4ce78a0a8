#!lua flags=allow-oom
-- Begins again what was taken over. An attempt that the dead consumer had begun is repeated under its own number and
-- counted as a recovery.
--
-- KEYS  1 counters
-- ARGV  1 group  2 consumer  3.. for each entry: lane (1..4), entry id, ticket
-- result for each entry {'go', attempt, recoveries, fence, doubtful (1 or 0), ms it was due (as take.lua), doc, body, reference} | {'taken'} (another consumer holds
--        it) | {'done'} (settled already, or its notification is gone: the entry is dropped)
-- Doc and body are empty but in the first of each notification.
-- Invariant: a delivery that is not waiting is never begun again; fence is new for each beginning (a fencing token).
local group, consumer = ARGV[1], ARGV[2]
local results = {}
for i = 1, (#ARGV - 2) / 3 do
  local a = i * 3
  local stream, entry, ticket = base .. 'lane:' .. LANES[tonumber(ARGV[a])], ARGV[a + 1], ARGV[a + 2]
  local tenant, callback = string.match(ticket, '^%S+ %d+ (%S+) (%S+)')
  if #redis.call('XPENDING', stream, group, entry, entry, 1, consumer) == 0 then
    results[i] = {'taken'}
  else
    local attempt, recoveries, fence, doc, body, reference, due = begin(ticket)
    if attempt then
      local row = standing(callback)
      results[i] = {'go', attempt, recoveries, fence, doubtful(row) and 1 or 0, ours(row, due), doc, body, reference}
    else
      redis.call('XACK', stream, group, entry)
      redis.call('XDEL', stream, entry)
      landed(tenant, callback)
      results[i] = {'done'}
    end
  end
end
save_standings()
return results
