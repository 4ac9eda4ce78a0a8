#!lua flags=allow-oom
-- Whether one more may go now, by a generic cell rate algorithm: an even pace, with some saved up.
--
-- KEYS  1 pace: when the next would be due if all had gone evenly, µs
-- ARGV  1 µs between two  2 how many may go at once
-- result µs to wait, and nothing is noted; 0: go, and it is noted
-- Invariant: what is noted lies at most that many intervals ahead, also where the clock was put back.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = tonumber(redis.call('GET', KEYS[1]) or now)
due = math.max(now, math.min(due, now + interval * burst))
local wait = due - interval * (burst - 1) - now
if wait > 0 then return wait end
due = due + interval
redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000))
return 0
