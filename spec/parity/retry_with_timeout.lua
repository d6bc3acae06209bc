-- Retrying with growing pauses, a limit per attempt and one for the whole.
local casync = require "casync"
local async, await = casync.async, casync.await

local TimeoutError = casync.TimeoutError
local Failure = casync.Error:extend("Failure")

local function retry(fn, attempts, delay, log)
  for n = 1, attempts do
    local ok, value = pcall(await, casync.wait_for(fn(n), 0.24))
    if ok then return value end
    if TimeoutError:is(value) then
      log[#log + 1] = n .. " timed out"
    elseif Failure:is(value) then
      log[#log + 1] = n .. " " .. value.message
      if n == attempts then error(value, 0) end
    else
      error(value, 0)
    end
    await(casync.sleep(delay))
    delay = delay * 2
  end
  error(Failure("no attempt left"))
end

local third_time_lucky = async(function(n)
  if n == 1 then error(Failure("first fails")) end
  if n == 2 then await(casync.sleep(1)) end
  return "attempt " .. n
end)

local always_fails = async(function(n)
  await(casync.sleep(0))
  error(Failure("failure " .. n))
end)

local always_hangs = async(function() await(casync.sleep(1)) end)

local function case(title, fn, attempts, delay, limit)
  local log = {}
  local ok, e = pcall(function()
    local _ <close> = casync.timeout(limit)
    local value = retry(fn, attempts, delay, log)
    log[#log + 1] = "value " .. value
  end)
  if not ok then
    log[#log + 1] = TimeoutError:is(e) and "gave up" or "error " .. e.message
  end
  print(title .. ": " .. table.concat(log, "; "))
end

casync.run(function()
  case("lucky", third_time_lucky, 5, 0.001, 1)
  case("fails", always_fails, 3, 0.001, 1)
  case("hangs", always_hangs, 3, 0.001, 1)
  case("deadline in a pause", always_fails, 9, 0.32, 0.6)
  case("deadline in an attempt", always_hangs, 9, 0, 0.36)
end)
