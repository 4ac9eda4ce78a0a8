#!lua
-- Tries each command of the scripts once, on a key of its own: to see which of them the ACL refuses.
--
-- KEYS  1 a key for trying; it is gone afterwards, and in some seconds where that is refused, too
-- ARGV  none
-- result names of commands that are refused
-- The key is a string, so that most tries end as of the wrong type, and nothing comes of them.
local key, refused = KEYS[1], {}
local tries = {
  {'SET', key, '1', 'PX', '5000'}, {'GET', key}, {'MGET', key}, {'EXISTS', key}, {'EXPIRE', key, '5'},
  {'PEXPIRE', key, '5000'}, {'TIME'}, {'HGET', key, 'a'}, {'HMGET', key, 'a'}, {'HGETALL', key}, {'HSET', key, 'a', '1'},
  {'HDEL', key, 'a'}, {'HINCRBY', key, 'a', '1'}, {'HEXISTS', key, 'a'}, {'HLEN', key}, {'HKEYS', key},
  {'LPUSH', key, 'a'}, {'RPUSH', key, 'a'}, {'LPOP', key}, {'LLEN', key}, {'LRANGE', key, '0', '1'},
  {'LTRIM', key, '0', '9'}, {'LINDEX', key, '0'}, {'LPOS', key, 'a'}, {'SADD', key, 'a'}, {'SISMEMBER', key, 'a'}, {'ZADD', key, '0', 'a'},
  {'ZREM', key, 'a'}, {'ZRANGE', key, '0', '1'}, {'ZSCORE', key, 'a'}, {'ZCARD', key}, {'XADD', key, '*', 'd', 'a'},
  {'XDEL', key, '0-1'}, {'XACK', key, 'g', '0-1'}, {'XLEN', key}, {'XRANGE', key, '-', '+'}, {'XTRIM', key, 'MAXLEN', '1'},
  {'XPENDING', key, 'g'}, {'XCLAIM', key, 'g', 'c', '0', '0-1'}, {'XGROUP', 'CREATE', key, 'g', '0'},
  {'XINFO', 'GROUPS', key}, {'XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '1', 'STREAMS', key, '>'},
  {'UNLINK', key}, {'DEL', key},
}
for _, try in ipairs(tries) do
  local answer = redis.pcall(unpack(try))
  local text = type(answer) == 'table' and answer.err or ''
  if string.find(text, 'NOPERM') or string.find(text, 'ermission') or string.find(text, 'ACL failure') then
    refused[#refused + 1] = try[1]
  end
end
return refused
