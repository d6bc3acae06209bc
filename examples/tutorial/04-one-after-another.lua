-- Awaiting coroutine objects one after another takes the sum of their times.
-- Shows: await in sequence; loop:time() to measure.
local casync = require "casync"
local async, await = casync.async, casync.await

local say_later = async(function(delay, what)
  await(casync.sleep(delay))
  print(what)
  return what
end)

casync.run(function()
  local loop = casync.get_running_loop()
  local start = loop:time()
  await(say_later(0.04, "first, though slower"))
  await(say_later(0.02, "second, though faster"))
  local elapsed = loop:time() - start
  print("took the sum of both:", elapsed >= 0.06)
end)
