-- Claims agents for one gateway, unless a newer session claimed them already.
-- KEYS[i]  owner entry of agent i
-- ARGV[1]  gateway; ARGV[2] seconds an entry lives; ARGV[2 + i] session epoch of agent i
-- Returns  per agent: '' acquired, '<' .. entry stolen from it, '>' .. entry lost to it; an entry is '<epoch>|<gateway>'
local gateway, ttl = ARGV[1], ARGV[2]
local outcomes = {}
for i, key in ipairs(KEYS) do
  local epoch = ARGV[2 + i]
  local held = redis.call('GET', key)
  local outcome = ''
  if held then
    local bar = string.find(held, '|', 1, true)
    local held_epoch = tonumber(string.sub(held, 1, bar - 1))
    local held_gateway = string.sub(held, bar + 1)
    if held_epoch > tonumber(epoch) then
      outcome = '>' .. held
    elseif held_gateway ~= gateway and held_epoch < tonumber(epoch) then
      outcome = '<' .. held
    end
  end
  if string.sub(outcome, 1, 1) ~= '>' then
    redis.call('SET', key, epoch .. '|' .. gateway, 'EX', ttl)
  end
  outcomes[i] = outcome
end
return outcomes
