#!lua
-- Stores some recipients of a group as a part of the notification that is for it, and how far its expansion is then; or nothing.
--
-- KEYS  1 notification
-- ARGV  1 notification id  2 index of the group's delivery  3 how far it is ('': at the beginning)  4 how far it is then
--       5 id of the part  6 its number  7 its doc, which ends in an empty list of targets: `[]}`  8 tenant  9 lane
--       10 the tenant's backlog quota (0: none)  11 seconds that recipients who were reached are remembered
--       12.. for each recipient: its route's id, its target as the doc has it, its hash ('': it can't have been reached)
-- result {'stored', recipients} | {'moved', how far it is} (somebody else was faster, or this is a repetition)
--        | {'full', the tenant's backlog}
-- Who was reached by an earlier part, or is named twice, is left out. Beside what waits for the group alone, some always fit.
-- Safe to repeat: a step is made once. Invariant: accepted = delivered + refused + dead + waiting; each member of the group
-- whom this step is about is in this part, or was reached before.
local parent, group, part, tenant, lane = ARGV[1], ARGV[2], ARGV[5], ARGV[8], ARGV[9]
local far = redis.call('HGET', KEYS[1], 'g' .. group) or ''
if far ~= ARGV[3] then return {'moved', far} end

local reached, hashes, routes, targets = base .. 's:' .. parent, {}, {}, {}
for i = 12, #ARGV, 3 do
  local hash = ARGV[i + 2]
  if hash == '' or not hashes[hash] and redis.call('SISMEMBER', reached, hash) == 0 then
    routes[#routes + 1], targets[#targets + 1] = ARGV[i], ARGV[i + 1]
    if hash ~= '' then hashes[hash] = true end
  end
end
local count, quota = #targets, tonumber(ARGV[10])
local waiting = tonumber(redis.call('HGET', base .. 'backlog', tenant) or 0) - 1 -- but the group's own
if quota > 0 and waiting > 0 and waiting + count > quota then return {'full', waiting} end

redis.call('HSET', KEYS[1], 'g' .. group, ARGV[4])
for hash in pairs(hashes) do redis.call('SADD', reached, hash) end
if next(hashes) then redis.call('EXPIRE', reached, ARGV[11]) end
if count == 0 then return {'stored', 0} end

local doc = string.sub(ARGV[7], 1, -3) .. table.concat(targets, ',') .. ']}'
local fields = {'doc', doc, 'size', count, 'open', count, 'up', parent .. ' ' .. group .. ' ' .. ARGV[6]}
local state = string.format('waiting 0 %d %d 0 0 0 -', now, now)
local tickets, order = {}, {} -- by route
for i, route in ipairs(routes) do
  fields[#fields + 1] = i - 1
  fields[#fields + 1] = state
  if not tickets[route] then tickets[route], order[#order + 1] = {}, route end
  local own = tickets[route]
  own[#own + 1] = part .. ' ' .. (i - 1) .. ' ' .. tenant .. ' ' .. route .. ' ' .. lane
end
for i = 1, #fields, 1000 do -- Lua's stack takes no more than some thousand values
  redis.call('HSET', base .. 'n:' .. part, unpack(fields, i, math.min(i + 999, #fields)))
end
redis.call('HINCRBY', KEYS[1], 'open', count)
redis.call('HINCRBY', KEYS[1], 'g' .. group .. ':all', count)
redis.call('HINCRBY', COUNTERS, 'accepted', count)
redis.call('HINCRBY', base .. 'backlog', tenant, count)
redis.call('HINCRBY', READY, lane, count)
for _, route in ipairs(order) do
  local own = tickets[route]
  redis.call('HINCRBY', base .. 'callbacks:backlog', route, #own)
  local line = base .. 'line:' .. lane .. ':' .. route
  local empty = redis.call('EXISTS', line) == 0
  for i = 1, #own, 1000 do redis.call('RPUSH', line, unpack(own, i, math.min(i + 999, #own))) end
  if empty then seat(lane, tenant, route) end
end
return {'stored', count}
