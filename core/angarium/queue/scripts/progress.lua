#!lua flags=allow-oom
-- How many attempts were settled when: what is settled a second follows from it. Whoever looks leaves a note for the others,
-- so that all see the same, a pod that has just started too.
--
-- KEYS  1 counters  2 progress
-- ARGV  1 least ms between two notes  2 how many notes are kept
-- result {now ms, settled until now, then for each note, the latest first: ms, settled until then}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local settled = tonumber(redis.call('HGET', KEYS[1], 'settled') or 0)
local answer = {now, settled}
for _, note in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  local at, count = string.match(note, '^(%d+) (%d+)$')
  if tonumber(at) > now or tonumber(count) > settled then -- the clock was put back, or the counters were lost
    redis.call('DEL', KEYS[2])
    answer = {now, settled}
    break
  end
  answer[#answer + 1], answer[#answer + 2] = tonumber(at), tonumber(count)
end
if not answer[3] or now - answer[3] >= tonumber(ARGV[1]) then
  redis.call('LPUSH', KEYS[2], string.format('%d %d', now, settled))
  redis.call('LTRIM', KEYS[2], 0, ARGV[2] - 1)
end
return answer
