#!lua
-- Creates or changes users, and makes them members of a group where one is given; each row wholly or not at all.
--
-- KEYS  1 users
-- ARGV  1 most users  2 most devices of one user  3 number of a group ('': none)  4 most members of it
--       5.. for each row: an id for it if it is new, its JSON
-- result for each row {'created', id} | {'updated', id} | {'refused', field, why, the user whom it belongs to or ''}
-- A row holds what is to be changed (null: taken away). It is about the user of its id, else of its key, phone or email,
-- whichever is known first. Refused, with why: unknown (no such id), taken (field is another user's), other (the
-- user whom field names has another name of a stronger kind), nameless (no key, phone or email would be left), full (most
-- users), devices (most devices), members (most members), group (it was deleted).
-- Safe to repeat: what was created under the id of a row is told as created again.
-- Invariant: an index leads to a user exactly if the user has what it names; memberships name the groups that hold a user.
local most_users, most_devices, number, most_members = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local members = base .. 'group:' .. number

-- Id and user that a row is about, and how strongly it names them (0: by id); or nil and why not.
local function match(row)
  if row.id then
    local user = read(row.id)
    if not user then return nil, {'refused', 'id', 'unknown', ''} end
    return row.id, user, 0
  end
  for rank, field in ipairs(NAMING) do
    local id = type(row[field]) == 'string' and owner(field, row[field])
    if id then return id, read(id), rank end
  end
end

local function objection(row, id, user, rank)
  local named = false
  for place, field in ipairs(NAMING) do
    local value = row[field]
    if type(value) == 'string' then
      named = true
      local other = owner(field, value)
      if other and other ~= id then return {'refused', field, 'taken', other} end
      if place < rank and user[field] and user[field] ~= value then return {'refused', NAMING[rank], 'other', id} end
    elseif user[field] and not value then
      named = true
    end
  end
  if not named then return {'refused', '', 'nameless', ''} end
  if type(row.devices) == 'table' and #row.devices > most_devices then return {'refused', 'devices', 'devices', ''} end
  if number ~= '' and redis.call('ZCARD', members) >= most_members and not (id and redis.call('ZSCORE', members, id)) then
    return {'refused', '', 'members', ''}
  end
end

local function index(id, field, before, after)
  before, after = before and folded(field, before), after and folded(field, after)
  if before == after then return end
  if before then redis.call('HDEL', base .. 'by:' .. field, before) end
  if after then redis.call('HSET', base .. 'by:' .. field, after, id) end
end

local function set_devices(id, user, devices)
  for _, device in ipairs(user.devices or {}) do redis.call('HDEL', base .. 'by:token', device.token) end
  user.devices = devices
  for _, device in ipairs(devices) do
    device.updated = now
    take_device(device.token, id)
  end
end

local function merge(id, user, row)
  local devices = row.devices
  row.id, row.devices = nil, nil
  for _, field in ipairs(NAMING) do
    local value = row[field]
    if value then index(id, field, user[field], value ~= cjson.null and value or nil) end
  end
  for field, value in pairs(row) do
    if value == cjson.null then user[field] = nil else user[field] = value end
  end
  if devices then set_devices(id, user, devices ~= cjson.null and devices or {}) end
  write(id, user)
end

local function join(id)
  if number == '' or redis.call('ZADD', members, 0, id) == 0 then return end
  local numbers = groups_of(id)
  numbers[#numbers + 1] = number
  keep_groups(id, numbers)
end

local function save(fresh, row)
  if number ~= '' and redis.call('HEXISTS', base .. 'numbers', number) == 0 then return {'refused', '', 'group', ''} end
  local id, user, rank = match(row)
  if not id and user then return user end
  local refused = objection(row, id, user or {}, rank or 0)
  if refused then return refused end
  local created = not id or id == fresh
  if not id then
    if redis.call('ZCARD', KEYS[1]) >= most_users then return {'refused', '', 'full', ''} end
    id, user = fresh, {created = now}
    redis.call('ZADD', KEYS[1], 0, id)
  end
  merge(id, user, row)
  join(id)
  return {created and 'created' or 'updated', id}
end

local results = {}
for i = 5, #ARGV, 2 do results[#results + 1] = save(ARGV[i], cjson.decode(ARGV[i + 1])) end
return results
