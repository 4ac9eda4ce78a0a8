#!lua flags=no-writes
-- Tells where deliveries of one notification are, and what decides about their turn.
--
-- KEYS  1 notification
-- ARGV  1 group  2 notification id  3 tenant  4 lane  5 how far into a line is looked  6.. pairs: delivery index, callback
-- result {now ms, for each delivery {place, lane, ms, ahead, in line, holder, ms that it has held it, standing, limits,
--        state as in the notification ('': it is no longer kept)}}
--        place 'ended' | 'flying' (holder: the consumer) | 'scheduled' (ms: when it is due) | 'parked' (ms: when it is
--        looked at again, -1: when one in flight has landed or limits change) | 'seated' | 'nowhere' (on its way)
--        ahead: how many stand before it in its line, -1: more than was looked at; standing and limits as in keys.py
local group, id, tenant, first, depth = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local lanes = {first}
for _, lane in ipairs(LANES) do
  if lane ~= first then lanes[#lanes + 1] = lane end
end

local function holder(stream, ticket, since) -- an entry's id tells when it was taken; of one taken over only its age
  local found
  for _, range in ipairs({{since - 5, since + 5, 200}, {'-', '+', 1000}}) do
    for _, entry in ipairs(found and {} or redis.call('XRANGE', stream, range[1], range[2], 'COUNT', range[3])) do
      if entry[2][2] == ticket then found = entry[1] end
    end
  end
  local held = found and redis.pcall('XPENDING', stream, group, found, found, 1)
  if not held or held.err or #held == 0 then return found, '', 0 end
  return found, held[1][2], held[1][3]
end

local function where(index, callback, found)
  local state, changed, started = string.match(found, '^(%S+) %d+ %d+ (%d+) %d+ %d+ (%d)')
  if state ~= 'waiting' then return {'ended', first, 0, 0, 0, '', 0} end
  for _, lane in ipairs(lanes) do
    local ticket = table.concat({id, index, tenant, callback, lane}, ' ')
    local due = redis.call('ZSCORE', base .. 'schedule', ticket)
    if due then return {'scheduled', lane, tonumber(due), 0, 0, '', 0} end
    if started == '1' then
      local entry, consumer, idle = holder(base .. 'lane:' .. lane, ticket, tonumber(changed))
      if entry then return {'flying', lane, 0, 0, 0, consumer, idle} end
    end
    local line = base .. 'line:' .. lane .. ':' .. callback
    local length = redis.call('LLEN', line)
    local ahead = length > 0 and redis.call('LPOS', line, ticket, 'MAXLEN', depth)
    if ahead or length > tonumber(depth) then
      local wake = redis.call('ZSCORE', PAUSED, lane .. ' ' .. tenant .. ' ' .. callback)
      local at = wake and (wake == 'inf' and -1 or tonumber(wake)) or 0
      return {wake and 'parked' or 'seated', lane, at, ahead or -1, length, '', 0}
    end
  end
  return {'nowhere', first, 0, 0, 0, '', 0}
end

local answer = {now}
for i = 6, #ARGV, 2 do
  local found = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  local row = where(ARGV[i], ARGV[i + 1], found)
  row[8] = redis.call('HGET', STANDING, ARGV[i + 1]) or ''
  row[9] = redis.call('HGET', LIMITS, ARGV[i + 1]) or ''
  row[10] = found
  answer[#answer + 1] = row
end
return answer
