#!lua flags=allow-oom
-- Ends attempts: delivered, retry later, refused or dead; each with its timeline entry and all counters, or not at all.
--
-- KEYS  1 counters  2 backlog  3 schedule  4 expiry  5 callback backlog  6 callback delivered  7 callback failing
--       8 callback gone  9 high  10 normal  11 low  12 bulk
--       13.. for each delivery: notification, timeline, the tenant's failed
-- ARGV  1 group  2.. for each delivery 12 values: lane (1..4), entry id, ticket, fence, move, delay ms, reason, timeline entry
--       without its due time ('' for none), seconds the finished notification is kept, endpoint token if gone ('' if not),
--       counts against the endpoint's health (1 or 0), the member of expiry
-- result for each delivery {'settled', due ms} | {'again'} (this very settle was done before) | {'stale'} (another
--        consumer has taken it over: nothing changed but the counter of stale ones)
-- Safe to repeat. Invariant: accepted = delivered + refused + dead + waiting; an entry leaves its stream only together
-- with its state.
local group = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function health(callback, move, reason, gone)
  if move == 'delivered' then
    redis.call('HSET', KEYS[6], callback, now)
    redis.call('HDEL', KEYS[7], callback)
    return
  end
  local first, row = string.match(redis.call('HGET', KEYS[7], callback) or '', '^(%d+) %d+ (%d+)')
  redis.call('HSET', KEYS[7], callback, string.format('%s %d %d %s', first or string.format('%d', now), now, (row or 0) + 1, reason))
  if gone ~= '' then redis.call('HSET', KEYS[8], callback, gone .. ' ' .. string.format('%d', now)) end
end

local function finish(notification, failed, ticket, move, retention, member)
  local id, _, tenant, callback = string.match(ticket, '^(%S+) (%d+) (%S+) (%S+)')
  redis.call('HINCRBY', KEYS[1], move, 1)
  if redis.call('HINCRBY', KEYS[2], tenant, -1) <= 0 then redis.call('HDEL', KEYS[2], tenant) end
  redis.call('HINCRBY', KEYS[2], '*', -1)
  if redis.call('HINCRBY', KEYS[5], callback, -1) <= 0 then redis.call('HDEL', KEYS[5], callback) end
  if move ~= 'delivered' then redis.call('ZADD', failed, 0, id) end
  if redis.call('HINCRBY', notification, 'open', -1) <= 0 then
    redis.call('ZADD', KEYS[4], now + retention * 1000, member)
  end
end

local results = {}
for i = 1, (#ARGV - 1) / 12 do
  local a, k = 2 + (i - 1) * 12, 13 + (i - 1) * 3
  local stream, entry, ticket, fence, move = KEYS[8 + ARGV[a]], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
  local delay, reason, attempt = tonumber(ARGV[a + 5]), ARGV[a + 6], ARGV[a + 7]
  local _, index, _, callback = string.match(ticket, '^(%S+) (%d+) (%S+) (%S+)')
  local state, attempts, _, _, recoveries, known, started =
    string.match(redis.call('HGET', KEYS[k], index) or '', '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d)')
  if known ~= fence then
    redis.call('HINCRBY', KEYS[1], 'stale', 1)
    results[i] = {'stale'}
  elseif started ~= '1' then
    results[i] = {'again'}
  else
    redis.call('XACK', stream, group, entry)
    redis.call('XDEL', stream, entry)
    local due = move == 'retry' and now + delay or 0
    redis.call('HSET', KEYS[k], index, string.format('%s %s %d %d %s %s 0 %s', -- each attempt has recoveries of its own
      move == 'retry' and 'waiting' or move, attempts, due, now, move == 'retry' and '0' or recoveries, fence,
      reason ~= '' and reason or '-'))
    if attempt ~= '' then redis.call('RPUSH', KEYS[k + 1], string.format('%d %d ', now, due) .. attempt) end
    if ARGV[a + 10] == '1' then health(callback, move, reason, ARGV[a + 9]) end
    if move == 'retry' then
      redis.call('ZADD', KEYS[3], due, ticket)
    else
      finish(KEYS[k], KEYS[k + 2], ticket, move, tonumber(ARGV[a + 8]), ARGV[a + 11])
    end
    results[i] = {'settled', due}
  end
end
return results
