#!lua
-- Asks the operator for an edit, unless it was done or waits already. Safe to repeat: an id is known by its reply key.
--
-- KEYS  1 edits  2 the reply to this edit
-- ARGV  1 fingerprint of what was asked (no blank in it)  2 the edit (JSON)  3 ms in which it must have been begun
--       4 the longest that those may be  5 most edits that may be open
-- result {'waits', ''} | {'answered', reply (JSON)} | {'mismatch', ''} (the id was used for another edit) | {'full', ''}
-- Invariant: an edit is in the stream once at most while its reply key says that it waits (a fingerprint alone); a
--            refusal is no answer to who asks again.
local known = redis.call('GET', KEYS[2])
if known then
  local fingerprint, reply = string.match(known, '^(%S+) ?(.*)$')
  if reply == '' or not string.find(reply, '^{"refused"') then
    if fingerprint ~= ARGV[1] then return {'mismatch', ''} end
    if reply ~= '' then return {'answered', reply} end
    return {'waits', ''}
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('XTRIM', KEYS[1], 'MINID', string.format('%d', now - ARGV[4]))
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[5]) then return {'full', ''} end
redis.call('XADD', KEYS[1], '*', 'e', ARGV[2], 'f', ARGV[1], 'l', ARGV[3])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
return {'waits', ''}
