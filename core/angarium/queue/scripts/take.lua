#!lua flags=allow-oom
-- Takes what is ready, each tenant and callback in turn, and begins an attempt of each. The attempt is counted before it
-- is made.
--
-- KEYS  1 counters
-- ARGV  1 group  2 consumer  3 how many at most  4 how many of these may be doubtful  5.. tenants that get nothing now
-- result {1 if something is left in the rings, taken}; taken is a list of
--        {lane (1..4), entry id, ticket, attempt, recoveries, fence, doubtful (1 or 0), doc, body}
-- The lanes share what is free 8 : 8 : 4 : 2 (test, high, normal, low), what one does not need goes to the others; within a
-- lane tenants share by weight, within a tenant its callbacks do. A callback without a share left is paused.
-- Invariant: a ticket leaves its line only into its lane's stream, pending for this consumer; a line that is not empty is
-- seated or paused; fence is new for each beginning (a fencing token).
local group, consumer, budget, doubts = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local SHARES = {test = 8, high = 8, normal = 4, low = 2}
local LONGEST_PAUSE_MS = 120000 -- longer ones come from a clock that was put back
local MOST_LOOKS = 256 -- at seats that can't be served now
local DRAINS = 1000000 -- as most in flight: nothing is sent to it any more, so nothing holds it up
local limited = redis.call('EXISTS', LIMITS) == 1
local skipped, taken, popped = {}, {}, {}
for i = 5, #ARGV do skipped[ARGV[i]] = true end

-- How many attempts may begin now; and if none, when to look again (ms; nil: when one in flight has landed).
local function room(lane, callback, row)
  local most, interval, burst
  if limited then
    most, interval, burst = string.match(redis.call('HGET', LIMITS, callback) or '', '^%d+ (%d+) (%d+) (%d+)$')
  end
  if lane == 'test' or tonumber(most or 0) == DRAINS then return budget end
  local free = (tonumber(most) or MOST_IN_FLIGHT) - row[FLIGHT]
  if most == '0' then
    row[FULL] = 0 -- suspended: only new limits help
    return 0
  end
  if row[PROBE] > now and row[PROBE] - now <= LONGEST_PAUSE_MS then return 0, row[PROBE] end
  if row[PROBE] > 0 then
    row[PROBE] = now + PROBE_MS
    return 1
  end
  if free <= 0 then
    row[FULL] = 1
    return 0
  end
  if most and interval ~= '0' then
    interval, burst = tonumber(interval), tonumber(burst)
    if row[TAT] < now_us or row[TAT] > now_us + (burst + 1) * interval then row[TAT] = now_us end
    local tokens = math.floor((now_us + burst * interval - row[TAT]) / interval)
    if tokens < 1 then
      local some = math.max(1, math.floor(burst / 2))
      return 0, math.ceil((row[TAT] - (burst - some) * interval) / 1000)
    end
    free = math.min(free, tokens)
    row.interval = interval
  end
  return free
end

local function take(lane, number, ticket, doubt)
  local attempt, recoveries, fence, doc, body = begin(ticket)
  if not attempt then return false end
  local entry = redis.call('XADD', base .. 'lane:' .. lane, '*', 'd', ticket)
  taken[#taken + 1] = {number, entry, ticket, attempt, recoveries, fence, doubt and 1 or 0, doc, body}
  return true
end

-- A callback whose turn it is: how many it got, and whether it keeps its seat.
local function serve(lane, number, tenant, callback, quota)
  local row = standing(callback)
  local free, wake = room(lane, callback, row)
  if free == 0 then
    pause(lane, tenant, callback, wake)
    return 0, false
  end
  local doubt = doubtful(row)
  if doubt and doubts < 1 then return 0, true end
  local most = math.min(quota, free, row[DELIVERED] == 0 and row[FLIGHT] == 0 and 1 or free)
  if doubt then most = math.min(most, doubts) end
  local line = base .. 'line:' .. lane .. ':' .. callback
  local tickets, got = redis.call('LPOP', line, most) or {}, 0
  for _, ticket in ipairs(tickets) do
    if take(lane, number, ticket, doubt) then got = got + 1 end
  end
  popped[lane] = (popped[lane] or 0) + #tickets
  row[FLIGHT] = row[FLIGHT] + got
  if doubt then doubts = doubts - got end
  if row.interval then row[TAT] = row[TAT] + got * row.interval end
  if row[PROBE] > 0 and lane ~= 'test' and got == 0 then row[PROBE] = now end
  if #tickets < most or redis.call('EXISTS', line) == 0 then return got, false end
  free, wake = room(lane, callback, row)
  if free > 0 then return got, true end
  pause(lane, tenant, callback, wake)
  return got, false
end

-- A tenant whose turn it is: each of its callbacks once; how many it got.
local function serve_tenant(lane, number, tenant, quota)
  local ring, got = base .. 'ring:' .. lane .. ':' .. tenant, 0
  local seats = redis.call('LLEN', ring)
  local left = math.min(seats, quota + MOST_LOOKS)
  while left > 0 and got < quota do
    local callback = redis.call('LPOP', ring)
    local more, stays = serve(lane, number, tenant, callback, math.ceil((quota - got) / left))
    if stays then redis.call('RPUSH', ring, callback) else seats = seats - 1 end
    got, left = got + more, left - 1
  end
  return got, seats > 0
end

local function serve_lane(number, quota)
  local lane = LANES[number]
  local ring, got = base .. 'ring:' .. lane, 0
  local tenants = redis.call('LLEN', ring)
  local left = math.min(tenants, quota + MOST_LOOKS)
  while left > 0 and got < quota do
    local tenant = redis.call('LPOP', ring)
    local stays, more = true, 0
    if not skipped[tenant] then
      local weight = limited and tenants > 1 and tonumber(redis.call('HGET', LIMITS, tenant) or 1) or 1
      local fair = math.ceil((quota - got) / left) * weight
      more, stays = serve_tenant(lane, number, tenant, math.min(quota - got, fair))
    end
    if stays then redis.call('RPUSH', ring, tenant) end
    got, left = got + more, left - 1
  end
  if got > 0 then
    redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', got, 'STREAMS', base .. 'lane:' .. lane, '>')
  end
  return got
end

local whole, waiting = 0, {}
for number, lane in ipairs(LANES) do
  if redis.call('EXISTS', base .. 'ring:' .. lane) == 1 then
    waiting[#waiting + 1] = number
    whole = whole + SHARES[lane]
    local stream = base .. 'lane:' .. lane
    if type(redis.pcall('XGROUP', 'CREATECONSUMER', stream, group, consumer)) ~= 'number' then -- no group yet, or lost
      redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
      redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1000000, 'STREAMS', stream, '>') -- ours now: `claim` finds them
    end
  end
end
local free = budget
for _, number in ipairs(waiting) do
  free = free - serve_lane(number, math.min(free, math.ceil(budget * SHARES[LANES[number]] / whole)))
end
local more = 0
for _, number in ipairs(waiting) do
  if free > 0 and #waiting > 1 then free = free - serve_lane(number, free) end
  if redis.call('EXISTS', base .. 'ring:' .. LANES[number]) == 1 then more = 1 end
end
if more == 1 then ring_bell() end
for lane, count in pairs(popped) do redis.call('HINCRBY', READY, lane, -count) end
save_standings()
return {more, taken}
