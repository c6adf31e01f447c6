-- Removes entries that are still the caller's own (D4): a newer claim stays.
-- KEYS[i]  owner entry of agent i
-- ARGV[i]  '<epoch>|<gateway>' the caller believes it holds
-- Returns  how many were removed
local removed = 0
for i, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[i] then
    removed = removed + redis.call('DEL', key)
  end
end
return removed
