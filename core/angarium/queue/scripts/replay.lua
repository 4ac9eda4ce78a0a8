#!lua
-- One step of a replay through a shard: deliveries start anew, and how far the replay is then is kept in the same step. So
-- whoever is killed, and however often a step is asked for, each delivery starts anew once.
--
-- KEYS  1 how far the replay is in this shard
-- ARGV  1 where it was ('': it begins)  2 where it is then  3 seconds that this is kept  4 tenant
--       5 most of the tenant's deliveries that may wait for there to be more (0: any number)  6 timeline entry  7 lane
--       8 'failed' | 'delivered' | 'ended': the states from which they start anew  9 what their webhook-ids end with ('': as
--       they were)  10 how many were found to match  11 how many of these are left out
--       12.. triples: notification id, delivery index, callback
-- result {'moved' | 'again' (this very step was made before) | 'elsewhere' (somebody else has made another one)
--        | 'full' (too many wait; nothing was done), {name, value, …} of what is kept}
-- Safe to repeat. Invariant: accepted = delivered + refused + dead + waiting.
local before, after, tenant, lane, from, reference = ARGV[1], ARGV[2], ARGV[4], ARGV[7], ARGV[8], ARGV[9]
local known = redis.call('HGET', KEYS[1], 'at') or ''
if known == after then return {'again', redis.call('HGETALL', KEYS[1])} end
if known ~= before then return {'elsewhere', redis.call('HGETALL', KEYS[1])} end
local most = tonumber(ARGV[5])
if most > 0 and #ARGV > 11 and tonumber(redis.call('HGET', base .. 'backlog', tenant) or 0) >= most then
  return {'full', redis.call('HGETALL', KEYS[1])}
end

local function wanted(state)
  if state == 'delivered' then return from ~= 'failed' end
  return (state == 'refused' or state == 'dead') and from ~= 'delivered'
end

local done, left_out, changed = 0, tonumber(ARGV[11]), nil
for i = 12, #ARGV, 3 do
  local id, index, callback = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local key = base .. 'n:' .. id
  if changed and changed ~= id then note_restart(base .. 'n:' .. changed, changed, tenant, ARGV[6]) end
  if changed ~= id then changed = nil end
  local state, _, _, _, _, fence, _, reason = read_state(key, index)
  if wanted(state) then
    restart(key, id, index, tenant, callback, lane, state, fence, reason)
    if reference ~= '' then redis.call('HSET', key, 'r' .. index, reference) end
    done, changed = done + 1, id
  else -- something has become of it since it was looked at
    left_out = left_out + 1
  end
end
if changed then note_restart(base .. 'n:' .. changed, changed, tenant, ARGV[6]) end
redis.call('HSET', KEYS[1], 'at', after)
redis.call('HINCRBY', KEYS[1], 'matched', ARGV[10])
redis.call('HINCRBY', KEYS[1], 'done', done)
redis.call('HINCRBY', KEYS[1], 'left_out', left_out)
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {'moved', redis.call('HGETALL', KEYS[1])}
