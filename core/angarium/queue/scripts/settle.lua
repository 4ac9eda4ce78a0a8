#!lua flags=allow-oom
-- Ends attempts: delivered, sent, retry later, refused or dead; each with its timeline entry and all counters, or not at all.
--
-- KEYS  1 counters
-- ARGV  1 group  2.. for each delivery 13 values: lane (1..4), entry id, ticket, fence, move, delay ms, reason, timeline
--       entry without its due time ('' for none), seconds the finished notification is kept, endpoint token, and what it says
--       of the endpoint: 'good' | 'bad' | 'gone' | 'good gone' | '' (nothing); the carrier's reference ('' none any more, '-' as it
--       was); '1' if the notification's end is to be announced
-- result for each delivery {'settled', due ms[, notification that has ended by it, ms]} | {'again'} (this very settle was done before) | {'stale'} (another
--        consumer has taken it over: nothing changed but the counter of stale ones)
-- Safe to repeat. Invariant: accepted = delivered + refused + dead + waiting; what is refused or dead counts for its tenant too; an entry leaves its stream only together
-- with its state; what ends in a part of a notification for a group is counted there in the same step.
local group = ARGV[1]
local counts, tenants, callbacks, lost = {}, {}, {}, {} -- by how much each counter moves, written once at the end
local ended = {} -- entries by stream, likewise

local function add(sums, name, by) sums[name] = (sums[name] or 0) + by end

local function lower(hash, sums) -- one write for each: a write costs more than a look
  for name, by in pairs(sums) do
    if (redis.call('HGET', hash, name) or 0) + by <= 0 then
      redis.call('HDEL', hash, name)
    else
      redis.call('HINCRBY', hash, name, by)
    end
  end
end

local function forget_failures(row, endpoint)
  row[PROBE], row[OPENED], row[WINDOW], row[GOOD], row[BAD], row[WAS_GOOD], row[WAS_BAD] = 0, 0, 0, 0, 0, 0, 0
  row[FIRST], row[LAST], row[FAILURES], row[REASON], row[ENDPOINT] = 0, 0, 0, '', endpoint
end

local function turn_window(row)
  local half = WINDOW_MS / 2
  if now - row[WINDOW] < half and now >= row[WINDOW] then return end
  local fresh = now - row[WINDOW] < WINDOW_MS and now >= row[WINDOW]
  row[WAS_GOOD], row[WAS_BAD] = fresh and row[GOOD] or 0, fresh and row[BAD] or 0
  row[GOOD], row[BAD], row[WINDOW] = 0, 0, now
end

local function succeeded(row, tenant, callback)
  row[GOOD], row[DELIVERED], row[FIRST], row[FAILURES] = row[GOOD] + 1, now, 0, 0
  if row[PROBE] > 0 then
    row[PROBE], row[OPENED], row[BAD], row[WAS_BAD] = 0, 0, 0, 0
    resume(tenant, callback)
  end
end

local function failed(row, tenant, callback, reason)
  row[BAD], row[LAST], row[FAILURES], row[REASON] = row[BAD] + 1, now, row[FAILURES] + 1, reason
  if row[FIRST] == 0 then row[FIRST] = now end
  local bad, all = row[BAD] + row[WAS_BAD], row[GOOD] + row[WAS_GOOD] + row[BAD] + row[WAS_BAD]
  if row[PROBE] == 0 and (all < LEAST_ATTEMPTS or bad < all * OPENS_AT) then return end
  if row[PROBE] == 0 then row[OPENED] = now end
  row[PROBE] = now + OPEN_MS
  for _, lane in ipairs(LANES) do
    redis.call('ZADD', PAUSED, 'XX', row[PROBE], lane .. ' ' .. tenant .. ' ' .. callback)
  end
end

local function judge(row, tenant, callback, endpoint, says, reason)
  if row[ENDPOINT] ~= endpoint then
    if row[PROBE] > 0 then resume(tenant, callback) end
    forget_failures(row, endpoint)
  end
  turn_window(row)
  if string.sub(says, 1, 4) == 'good' then
    succeeded(row, tenant, callback)
  else
    failed(row, tenant, callback, reason)
  end
  if string.find(says, 'gone', 1, true) then
    redis.call('HSET', base .. 'callbacks:gone', callback, endpoint .. ' ' .. string.format('%d', now))
  end
end

local function leave_stream(stream, entry)
  local entries = ended[stream] or {}
  entries[#entries + 1] = entry
  ended[stream] = entries
end

local named, seen = {}, {}
for a = 4, #ARGV, 13 do
  local callback = string.match(ARGV[a], '^%S+ %d+ %S+ (%S+)')
  if not seen[callback] then named[#named + 1], seen[callback] = callback, true end
end
for i, text in ipairs(redis.call('HMGET', STANDING, unpack(named))) do read_standing(named[i], text) end

local results = {}
for i = 1, (#ARGV - 1) / 13 do
  local a = 2 + (i - 1) * 13
  local stream, entry, ticket, fence, move = base .. 'lane:' .. LANES[tonumber(ARGV[a])], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
  local reason, attempt = ARGV[a + 6], ARGV[a + 7]
  local id, index, tenant, callback = string.match(ticket, '^(%S+) (%d+) (%S+) (%S+)')
  local key = base .. 'n:' .. id
  local found = redis.call('HMGET', key, index, 'open', 'up', 'w')
  local _, attempts, _, _, recoveries, known, started =
    string.match(found[1] or '', '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d)')
  if known ~= fence then
    add(counts, 'stale', 1)
    results[i] = {'stale'}
  elseif started ~= '1' then
    results[i] = {'again'}
  else
    leave_stream(stream, entry)
    add(counts, 'settled', 1)
    local result = {'settled', 0}
    results[i] = result
    local retry = move == 'retry' or move == 'sent'
    local due = retry and now + tonumber(ARGV[a + 5]) or 0
    local open = retry and tonumber(found[2]) or found[2] - 1
    redis.call('HSET', key, 'open', open, index, string.format('%s %s %d %d %s %s 0 %s', -- each attempt has recoveries of its own
      retry and 'waiting' or move, attempts, due, now, retry and '0' or recoveries, fence, reason ~= '' and reason or '-'))
    if ARGV[a + 11] == '' then
      redis.call('HDEL', key, 'r' .. index)
    elseif ARGV[a + 11] ~= '-' then
      redis.call('HSET', key, 'r' .. index, ARGV[a + 11])
    end
    if attempt ~= '' then redis.call('RPUSH', base .. 't:' .. id, string.format('%d %d ', now, due) .. attempt) end
    if found[4] then signal(found[4], id, open <= 0) end
    local row = landed(tenant, callback)
    if ARGV[a + 10] ~= '' then judge(row, tenant, callback, ARGV[a + 9], ARGV[a + 10], reason) end
    if retry then
      redis.call('ZADD', base .. 'schedule', due, ticket)
    else
      add(counts, move, 1)
      add(tenants, tenant, -1)
      add(callbacks, callback, -1)
      if move ~= 'delivered' then add(lost, tenant, 1) end
      if found[3] then
        end_in_part(found[3], id, tenant, move, ARGV[a + 8], ARGV[a + 12] == '1' and result)
      elseif move ~= 'delivered' then
        redis.call('ZADD', base .. 'f:' .. tenant, 0, id)
      end
      if open <= 0 then
        redis.call('ZADD', base .. 'expiry', now + ARGV[a + 8] * 1000, id .. ' ' .. tenant)
        if ARGV[a + 12] == '1' and not found[3] then announce(id, result) end
      end
    end
    result[2] = due
  end
end
for stream, entries in pairs(ended) do
  redis.call('XACK', stream, group, unpack(entries))
  redis.call('XDEL', stream, unpack(entries))
end
for name, by in pairs(counts) do redis.call('HINCRBY', COUNTERS, name, by) end
for tenant, by in pairs(lost) do redis.call('HINCRBY', DEAD, tenant, by) end
lower(base .. 'backlog', tenants)
lower(base .. 'callbacks:backlog', callbacks)
tell_ups()
save_standings()
return results
