-- Ends a lease: what it held is held no more, and this was spent. Once: what ended is remembered for a while, so that the
-- same message may arrive again. A lease that is gone is settled too: its host came back late. So is one that was given back
-- and spent nothing (0): its host then counted alone, and was killed before it told what the call cost.
-- KEYS: leases, the lease, counters. ARGV: how long its end is remembered, then for each counter when it ends, dollars, tokens.
-- Answers: each counter's five numbers; nothing where it had ended before.
local done = redis.call('HGET', KEYS[2], 'done')
if done and (done ~= '0' or #KEYS == 2) then return {} end
local now = clock()
give_back(KEYS[2])
redis.call('ZREM', KEYS[1], KEYS[2])
local answer = {}
for i = 3, #KEYS do
  local at = 2 + 3 * (i - 3)
  local c, there = load(KEYS[i])
  if tonumber(ARGV[at]) > now then
    c[1] = c[1] + tonumber(ARGV[at + 1])
    c[2] = c[2] + tonumber(ARGV[at + 2])
    save(KEYS[i], c, there, ARGV[at])
  end
  for n = 1, 5 do answer[#answer + 1] = math.min(c[n], MOST) end
end
redis.call('HSET', KEYS[2], 'done', #KEYS > 2 and 1 or 0)
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return answer
