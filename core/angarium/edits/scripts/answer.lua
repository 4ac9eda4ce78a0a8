#!lua flags=allow-oom
-- Replies to an edit and closes it.
--
-- KEYS  1 edits  2 the reply to this edit
-- ARGV  1 the edit's entry in the stream  2 `<fingerprint> <reply JSON>`  3 ms to keep the reply
-- result 1 | 0 (it was closed before: its time was up, or this is a repetition)
-- Invariant: an edit is closed only with its reply.
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return redis.call('XDEL', KEYS[1], ARGV[1])
