-- What the scripts of people have in common. KEYS[1] is `users`; all other keys begin as it does.
local base = string.match(KEYS[1], '^(.-{.-}:)')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local NAMING = {'key', 'phone', 'email'} -- what names a user, from the strongest

local function folded(field, value)
  if field == 'email' then return string.lower(value) end
  return value
end

local function owner(field, value) return redis.call('HGET', base .. 'by:' .. field, folded(field, value)) end

local function read(id)
  local doc = redis.call('GET', base .. 'user:' .. id)
  return doc and cjson.decode(doc)
end

local function write(id, user)
  if user.devices and #user.devices == 0 then user.devices = nil end -- cjson would make it an object
  user.changed = now
  redis.call('SET', base .. 'user:' .. id, cjson.encode(user))
end

-- The user of an id, or of what an index names.
local function find(field, value)
  if field == 'id' then return redis.call('EXISTS', base .. 'user:' .. value) == 1 and value end
  return owner(field, value)
end

local function without(devices, token)
  local rest = {}
  for _, device in ipairs(devices or {}) do
    if device.token ~= token then rest[#rest + 1] = device end
  end
  return rest
end

-- A device is one user's: whoever had it has it no more.
local function take_device(token, id)
  local other = owner('token', token)
  if other and other ~= id then
    local user = read(other)
    user.devices = without(user.devices, token)
    write(other, user)
  end
  redis.call('HSET', base .. 'by:token', token, id)
end

-- The numbers of a user's groups, those that were deleted left out.
local function groups_of(id)
  local numbers = {}
  for number in string.gmatch(redis.call('HGET', base .. 'memberships', id) or '', '%d+') do
    if redis.call('HEXISTS', base .. 'numbers', number) == 1 then numbers[#numbers + 1] = number end
  end
  return numbers
end

local function keep_groups(id, numbers)
  if #numbers == 0 then
    redis.call('HDEL', base .. 'memberships', id)
  else
    redis.call('HSET', base .. 'memberships', id, ',' .. table.concat(numbers, ',') .. ',')
  end
end

local function number_of(name)
  return string.match(redis.call('HGET', base .. 'groups', name) or '', '^%d+')
end
