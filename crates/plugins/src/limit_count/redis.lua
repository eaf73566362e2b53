-- Counts one request of a key, if its limit allows; answers the requests of the window and of the one before it, as they
-- stood, and the milliseconds left. The server's clock decides, for the clocks of instances differ.
-- KEYS[1] names the limit; ARGV: limit, window in milliseconds, "fixed" or "sliding".
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
if ARGV[3] == "fixed" then
    local left = redis.call("PTTL", KEYS[1])
    if left <= 0 then
        redis.call("SET", KEYS[1], 1, "PX", window)
        return { 0, 0, window }
    end
    local count = tonumber(redis.call("GET", KEYS[1])) or 0
    if count < limit then
        redis.call("INCR", KEYS[1])
    end
    return { count, 0, left }
end
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local index = math.floor(now / window)
local left = (index + 1) * window - now
local current = KEYS[1] .. ":" .. string.format("%.0f", index)
local count = tonumber(redis.call("GET", current)) or 0
local before = tonumber(redis.call("GET", KEYS[1] .. ":" .. string.format("%.0f", index - 1))) or 0
if count < limit and math.min(before, limit) * left < (limit - count) * window then
    redis.call("SET", current, count + 1, "PX", 2 * window)
end
return { count, before, left }
