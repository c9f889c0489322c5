-- Holds an amount in all counters or in none: for a call that begins, and for one whose answer grows, which then holds the
-- new amount in place of the old. Several amounts are offered, the largest first; the first that every limit has room for
-- is taken.
-- KEYS: leases, the lease, its counters. ARGV: term, open (1: a whole answer), how many amounts; each one's dollars and
-- tokens; for each counter when it ends, its limit in dollars and in tokens (-: none).
-- Answers: which amount was taken (0: none; -1: the lease has ended), then each counter's five numbers.
local now = clock()
reap(KEYS[1], now)
local own = redis.call('HMGET', KEYS[2], 'usd', 'tokens', 'open', 'done')
if own[4] then return { -1 } end
local old_usd, old_tokens, old_open = tonumber(own[1] or '0'), tonumber(own[2] or '0'), tonumber(own[3] or '0')
local amounts = tonumber(ARGV[3])
local first = 4 + 2 * amounts

local counters, there = {}, {}
for i = 3, #KEYS do counters[i], there[i] = load(KEYS[i]) end

local taken, usd, tokens = 0, 0, 0
for a = 1, amounts do
  usd, tokens = tonumber(ARGV[2 + 2 * a]), tonumber(ARGV[3 + 2 * a])
  local fits = true
  for i = 3, #KEYS do
    local at = first + 3 * (i - 3)
    local most_usd, most_tokens = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local c = counters[i]
    if (most_usd and c[1] + c[3] - old_usd + usd > most_usd)
      or (most_tokens and c[2] + c[4] - old_tokens + tokens > most_tokens) then
      fits = false
      break
    end
  end
  if fits then
    taken = a
    break
  end
end

if taken > 0 then
  local names = {}
  for i = 3, #KEYS do
    local c = counters[i]
    c[3] = c[3] - old_usd + usd
    c[4] = c[4] - old_tokens + tokens
    c[5] = c[5] - old_open + tonumber(ARGV[2])
    save(KEYS[i], c, there[i], ARGV[first + 3 * (i - 3)])
    names[i - 2] = KEYS[i]
  end
  redis.call('HSET', KEYS[2], 'usd', text(usd), 'tokens', text(tokens), 'open', ARGV[2], 'counters', cjson.encode(names))
  -- Longer than any window: what it holds is given back long before.
  redis.call('PEXPIRE', KEYS[2], 3456000000)
  redis.call('ZADD', KEYS[1], text(now + tonumber(ARGV[1])), KEYS[2])
end

local answer = { taken }
for i = 3, #KEYS do
  for n = 1, 5 do answer[#answer + 1] = math.min(counters[i][n], MOST) end
end
return answer
