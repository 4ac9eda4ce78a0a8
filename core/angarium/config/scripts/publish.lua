#!lua
-- Writes config records and their changes, each with a revision of its own, all or nothing.
--
-- KEYS  1 records  2 state  3 changes
-- ARGV  1 the epoch that the writer knows ('': it knows of none)  2 an epoch to begin where there is none
--       3 least revision to go on from  4 the writer's term (0: it has none)  5.. pairs: record key, JSON ('': delete)
-- result {'published', epoch, revision after} | {'lost', epoch or ''} (the store is not the one the writer knows:
--        nothing was written; it must write all its records at once) | {'superseded', ''} (a later term has begun)
-- Invariant: revisions only rise; a record's stored text is `<revision> <JSON>`; an epoch begins with all records;
--            who has a term writes nothing after a later one has begun.
local term, latest = tonumber(ARGV[4]), tonumber(redis.call('HGET', KEYS[2], 'term') or '0')
if term > 0 and term < latest then return {'superseded', ''} end
if term > latest then redis.call('HSET', KEYS[2], 'term', ARGV[4]) end
local epoch = redis.call('HGET', KEYS[2], 'epoch') or ''
if epoch ~= ARGV[1] then return {'lost', epoch} end
if epoch == '' then
  epoch = ARGV[2]
  redis.call('HSET', KEYS[2], 'epoch', epoch)
end
local revision = math.max(tonumber(redis.call('HGET', KEYS[2], 'revision') or '0'), tonumber(ARGV[3]))
for i = 5, #ARGV, 2 do
  revision = revision + 1
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%d ', revision) .. ARGV[i + 1])
  end
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'k', ARGV[i], 'r', string.format('%d', revision), 'e', epoch)
end
redis.call('HSET', KEYS[2], 'revision', string.format('%d', revision))
return {'published', epoch, revision}
