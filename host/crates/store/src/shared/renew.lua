-- Says that the hosts of these leases live. One that is late and was not given back yet goes on.
-- KEYS: leases, and those to renew. ARGV: term. Answers: the places of those that are gone.
local till = text(clock() + tonumber(ARGV[1]))
local gone = {}
for i = 2, #KEYS do
  if redis.call('ZSCORE', KEYS[1], KEYS[i]) then
    redis.call('ZADD', KEYS[1], till, KEYS[i])
  else
    gone[#gone + 1] = i - 2
  end
end
return gone
