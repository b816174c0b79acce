-- src/rate_limit/gcra.rs inside Redis: charges a call to all windows of one agent, or to none, in one round trip and
-- by this server's clock. A test holds the two to each other.
--
-- KEYS: one a window, all with the same {tag}. Each holds "micros:part", the moment at which its bucket has drained.
-- ARGV: the cost; then for each window step (ticks a call adds), unit (ticks that drain in a microsecond) and full
-- (ticks the bucket holds). All are whole numbers below 2^53, which doubles count exactly.
-- Answer: 1 or 0 for admitted, the moment in microseconds, then the level of each window in ticks.
local time = redis.call('time')
local now = time[1] * 1000000 + time[2]
local cost = tonumber(ARGV[1])
local stored = redis.call('mget', unpack(KEYS))
local levels, admitted, moved = {}, 1, false
for i = 1, #KEYS do
  local step, unit, full = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local level = 0
  if stored[i] then
    local micros, part = string.match(stored[i], '^(%d+):(%d+)$')
    local ahead = (tonumber(micros) or 0) - now
    if ahead >= 0 then
      level = ahead * unit + math.min(tonumber(part), unit - 1)
      -- Further ahead than a full bucket reaches: written under another clock.
      if level > full then
        level, moved = full, true
      end
    end
  end
  levels[i] = level
  if level + cost * step > full then
    admitted = 0
  end
end
local answer = { admitted, now }
for i = 1, #KEYS do
  local step, unit = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  if admitted == 1 then
    levels[i] = levels[i] + cost * step
  end
  -- A mark that was moved is stored though the call is refused, so that it begins to drain.
  if admitted == 1 or moved then
    local part = levels[i] % unit
    local ahead = (levels[i] - part) / unit
    redis.call('set', KEYS[i], string.format('%.0f:%.0f', now + ahead, part), 'px', string.format('%.0f', math.floor(ahead / 1000) + 1))
  end
  answer[i + 2] = levels[i]
end
return answer
