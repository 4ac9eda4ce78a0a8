#!lua flags=allow-oom
-- Takes what is ready, each tenant and callback in turn, and begins an attempt of each. The attempt is counted before it
-- is made.
--
-- KEYS  1 counters
-- ARGV  1 group  2 consumer  3 how many at most  4 how many of these may be doubtful  5.. tenants that get nothing now
-- result {1 if something is left in the rings, taken}; taken is a list of
--        {lane (1..4), entry id, ticket, attempt, recoveries, fence, doubtful (1 or 0), ms it was due (0: its callback has failed
--        or had no share since), doc, body, reference}; doc and body are empty but in the first of each notification
-- The lanes share what is free 8 : 8 : 4 : 2 (test, high, normal, low), what one does not need goes to the others; within a
-- lane tenants share by weight, within a tenant its callbacks do; over many takes too, however little each has room for.
-- A callback without a share left is paused.
-- Invariant: a ticket leaves its line only into its lane's stream, pending for this consumer; a line that is not empty is
-- seated or paused; fence is new for each beginning (a fencing token).
local group, consumer, budget, doubts = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local SHARES = {test = 8, high = 8, normal = 4, low = 2}
local LONGEST_PAUSE_MS = 120000 -- longer ones come from a clock that was put back
local MOST_LOOKS = 256 -- at seats that can't be served now
local DRAINS = 1000000 -- as most in flight: nothing is sent to it any more, so nothing holds it up
local limited = redis.call('EXISTS', LIMITS) == 1
local TURNS = base .. 'turns'
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
    row[FULL] = PAUSED_NOW -- suspended: only new limits help
    return 0
  end
  if row[PROBE] > now and row[PROBE] - now <= LONGEST_PAUSE_MS then return 0, row[PROBE] end
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
  if row[PROBE] > 0 then
    row[PROBE] = now + PROBE_MS
    return 1
  end
  return free
end

local function take(lane, number, ticket, row, doubt)
  local attempt, recoveries, fence, doc, body, reference, due = begin(ticket)
  if not attempt then return false end
  local entry = redis.call('XADD', base .. 'lane:' .. lane, '*', 'd', ticket)
  taken[#taken + 1] = {number, entry, ticket, attempt, recoveries, fence, doubt and 1 or 0, ours(row, due), doc, body, reference}
  return true
end

local function rest(lane, tenant, callback, row, wake)
  if row[FULL] ~= 1 then row[FULL] = PAUSED_NOW end
  pause(lane, tenant, callback, wake)
end

-- A callback whose turn it is: how many it got, and whether it keeps its seat.
local function serve(lane, number, tenant, callback, quota)
  local row = standing(callback)
  local probe = row[PROBE]
  local free, wake = room(lane, callback, row)
  if free == 0 then
    rest(lane, tenant, callback, row, wake)
    return 0, false
  end
  if row[FULL] == PAUSED_NOW and lane ~= 'test' then row[FULL] = -now end
  local doubt = doubtful(row)
  if doubt and doubts < 1 then
    row[PROBE] = probe -- it was not made
    return 0, true
  end
  local most = math.min(quota, free, row[DELIVERED] == 0 and row[FLIGHT] == 0 and 1 or free)
  if doubt then most = math.min(most, doubts) end
  local line = base .. 'line:' .. lane .. ':' .. callback
  local tickets, got = redis.call('LPOP', line, most) or {}, 0
  for _, ticket in ipairs(tickets) do
    if take(lane, number, ticket, row, doubt) then got = got + 1 end
  end
  popped[lane] = (popped[lane] or 0) + #tickets
  row[FLIGHT] = row[FLIGHT] + got
  if doubt then doubts = doubts - got end
  if row.interval then row[TAT] = row[TAT] + got * row.interval end
  if row[PROBE] > 0 and lane ~= 'test' and got == 0 then row[PROBE] = now end
  if #tickets < most or redis.call('EXISTS', line) == 0 then return got, false end
  free, wake = room(lane, callback, row)
  if free > 0 then return got, true end
  rest(lane, tenant, callback, row, wake)
  return got, false
end

-- Goes round a ring until the quota is used up or a whole round gave nothing; how many it got, and whether a seat is left.
-- A turn that the quota cuts short goes on in the next take where `goes_on` is set: else who has the longer turns would
-- lose most by it.
local function go_round(ring, seats, quota, turn, serve, goes_on)
  local got, idle, looks = 0, 0, quota + MOST_LOOKS
  local first, owed
  if goes_on and seats > 1 then first, owed = string.match(redis.call('HGET', TURNS, ring) or '', '^(%S+) (%d+)$') end
  if first then redis.call('HDEL', TURNS, ring) end
  while got < quota and idle < seats and looks > 0 do
    local name = redis.call('LPOP', ring)
    local most = name == first and tonumber(owed) or turn(name)
    local more, stays = serve(name, math.min(most, quota - got))
    first, got, looks = nil, got + more, looks - 1
    idle = more > 0 and 0 or stays and idle + 1 or idle
    if not stays then
      seats = seats - 1
    elseif goes_on and got == quota and more > 0 and more < most and seats > 1 then
      redis.call('LPUSH', ring, name)
      redis.call('HSET', TURNS, ring, name .. ' ' .. most - more)
    else
      redis.call('RPUSH', ring, name)
    end
  end
  return got, seats > 0
end

-- A tenant whose turn it is: its callbacks evenly.
local function serve_tenant(lane, number, tenant, quota)
  local ring = base .. 'ring:' .. lane .. ':' .. tenant
  local seats = redis.call('LLEN', ring)
  local even = math.max(1, math.floor(quota / math.max(1, seats)))
  return go_round(ring, seats, quota, function() return even end, function(callback, most)
    return serve(lane, number, tenant, callback, most)
  end)
end

-- What a turn is worth for each point of weight: as much as lets all have one, at least 1.
local function worth(ring, quota, seats)
  if seats >= quota then return 1 end
  local whole = seats
  if limited and seats > 1 then
    for _, text in ipairs(redis.call('HMGET', LIMITS, unpack(redis.call('LRANGE', ring, 0, -1)))) do
      whole = whole + tonumber(text or 1) - 1
    end
  end
  return math.max(1, math.floor(quota / whole))
end

local function serve_lane(number, quota)
  if quota < 1 then return 0 end
  local lane = LANES[number]
  local ring = base .. 'ring:' .. lane
  local seats = redis.call('LLEN', ring)
  local point = worth(ring, quota, seats)
  local got = go_round(ring, seats, quota, function(tenant)
    return seats > 1 and limited and point * tonumber(redis.call('HGET', LIMITS, tenant) or 1) or point
  end, function(tenant, most)
    if skipped[tenant] then return 0, true end
    return serve_tenant(lane, number, tenant, most)
  end, true)
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
-- How much of what is free each lane gets: one goes to whom most is owed, and so on; what is owed is kept for the next take,
-- for where one slot is free at a time the lower lanes would never get any.
local function share_out()
  if #waiting < 2 then return {[waiting[1] or 0] = budget} end
  local quotas, owed, kept = {}, redis.call('HMGET', TURNS, unpack(LANES)), {}
  for _, number in ipairs(waiting) do
    quotas[number], owed[number] = 0, tonumber(owed[number] or 0) + budget * SHARES[LANES[number]]
  end
  for _ = 1, budget do
    local most = waiting[1]
    for _, number in ipairs(waiting) do if owed[number] > owed[most] then most = number end end
    quotas[most], owed[most] = quotas[most] + 1, owed[most] - whole
  end
  for number, lane in ipairs(LANES) do
    kept[#kept + 1] = lane
    kept[#kept + 1] = quotas[number] and owed[number] or 0
  end
  redis.call('HSET', TURNS, unpack(kept))
  return quotas
end

local free, quotas = budget, share_out()
for _, number in ipairs(waiting) do free = free - serve_lane(number, math.min(free, quotas[number])) end
local more = 0
for _, number in ipairs(waiting) do
  if free > 0 and #waiting > 1 then free = free - serve_lane(number, free) end
  if redis.call('EXISTS', base .. 'ring:' .. LANES[number]) == 1 then more = 1 end
end
if more == 1 then ring_bell() end
for lane, count in pairs(popped) do redis.call('HINCRBY', READY, lane, -count) end
save_standings()
return {more, taken}
