-- What every script begins with. Amounts are whole numbers: nano-dollars and tokens. Lua counts in doubles, which are exact
-- below 2^53; limits are smaller than that (configuration refuses others), sums stop at it, and rounding keeps the order
-- of larger sums, so that no comparison with a limit is ever wrong.
local MOST = 9007199254740992

-- A number as it is kept: Lua's own way has exponents.
local function text(number)
  if number < 0 then number = 0 end
  if number > MOST then number = MOST end
  return string.format('%.0f', number)
end

-- The server's clock, in milliseconds.
local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- A counter: spent dollars and tokens, held dollars and tokens, whole answers under way; and whether it is there.
local function load(key)
  local found = redis.call('HMGET', key, 'su', 'st', 'hu', 'ht', 'o')
  local counter = {}
  for i = 1, 5 do counter[i] = tonumber(found[i] or '0') or 0 end
  return counter, found[1] ~= false
end

local function save(key, counter, there, ends)
  redis.call('HSET', key, 'su', text(counter[1]), 'st', text(counter[2]), 'hu', text(counter[3]),
    'ht', text(counter[4]), 'o', text(counter[5]))
  if not there then redis.call('PEXPIREAT', key, ends) end
end

-- Gives back what a lease holds. A counter whose window is over is gone.
local function give_back(lease)
  local found = redis.call('HMGET', lease, 'usd', 'tokens', 'open', 'counters')
  if not found[4] then return end
  for _, key in ipairs(cjson.decode(found[4])) do
    local counter, there = load(key)
    if there then
      counter[3] = counter[3] - tonumber(found[1])
      counter[4] = counter[4] - tonumber(found[2])
      counter[5] = counter[5] - tonumber(found[3])
      save(key, counter, there, 0)
    end
  end
  redis.call('DEL', lease)
end

-- What nobody renewed in time comes back, a few at each call.
local function reap(leases, now)
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', text(now), 'LIMIT', 0, 64)) do
    give_back(lease)
    redis.call('ZREM', leases, lease)
  end
end
