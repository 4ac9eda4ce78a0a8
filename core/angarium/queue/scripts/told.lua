#!lua flags=allow-oom
-- Forgets an end that was announced, unless the notification has ended once more since.
--
-- KEYS  1 ended
-- ARGV  1 notification  2 ms at which it ended
-- result 1 | 0 (another end of it is to be announced, or it was forgotten before)
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or -1) ~= tonumber(ARGV[2]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
