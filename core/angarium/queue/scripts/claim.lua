#!lua flags=allow-oom
-- Takes over entries that another consumer holds, or finds again those of one's own that a lost reply left unknown.
--
-- KEYS  1 test  2 high  3 normal  4 low
-- ARGV  1 group  2 from consumer  3 to consumer  4 least idle time (ms)  5 how many at most
-- result a list of {lane (1..4), entry id, ticket}; a consumer that holds nothing any more is removed when it is not `to`
-- Invariant: an entry is held by one consumer; none is dropped (a consumer is removed only when it holds nothing).
local group, from, to, idle, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local found = {}
for lane = 1, 4 do
  local left = count - #found
  if left > 0 then
    local pending = redis.call('XPENDING', KEYS[lane], group, 'IDLE', idle, '-', '+', left, from)
    if #pending > 0 then
      local ids = {}
      for i, entry in ipairs(pending) do ids[i] = entry[1] end
      for _, entry in ipairs(redis.call('XCLAIM', KEYS[lane], group, to, 0, unpack(ids))) do
        if entry then found[#found + 1] = {lane, entry[1], entry[2][2]} end
      end
    end
  end
  if from ~= to and #redis.call('XPENDING', KEYS[lane], group, '-', '+', 1, from) == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[lane], group, from)
  end
end
return found
