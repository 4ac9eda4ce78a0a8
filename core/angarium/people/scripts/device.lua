#!lua
-- Gives a user a device, or refreshes it; it is nobody else's then.
--
-- KEYS  1 users
-- ARGV  1 id or phone  2 its value  3 token  4 platform  5 the token that it replaces ('': none)  6 most devices of one user
-- result {'unknown'} | {'full', devices} | {'added' or 'refreshed', user id, devices}
-- Safe to repeat, but then says refreshed.
local id = find(ARGV[1], ARGV[2])
if not id then return {'unknown'} end
local user, token, replaced = read(id), ARGV[3], ARGV[5]
local before = #(user.devices or {})
local devices = without(user.devices, token)
local known = #devices < before
if replaced ~= '' and replaced ~= token then devices = without(devices, replaced) end
if #devices >= tonumber(ARGV[6]) then return {'full', #devices} end
if replaced ~= '' and owner('token', replaced) == id then redis.call('HDEL', base .. 'by:token', replaced) end
devices[#devices + 1] = {token = token, platform = ARGV[4], updated = now}
user.devices = devices
take_device(token, id)
write(id, user)
return {known and 'refreshed' or 'added', id, #devices}
