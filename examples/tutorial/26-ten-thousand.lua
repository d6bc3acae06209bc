-- Ten thousand tasks sleep at the same time: a task costs about a kilobyte,
-- a thread's stack would cost thousands.
-- Shows: gather with a long list; see examples/million.lua for a million.
local casync = require "casync"
local async, await = casync.async, casync.await

local COUNT = 10000

local sleeper = async(function(i)
  await(casync.sleep(0.05 + i % 10 / 1000))
  return i
end)

casync.run(function()
  local loop = casync.get_running_loop()
  local list = {}
  for i = 1, COUNT do list[i] = sleeper(i) end
  local start = loop:time()
  local results = await(casync.gather(list))
  local sum = 0
  for _, i in ipairs(results) do sum = sum + i end
  print(#results .. " sleepers, sum " .. sum)
  print("in sequence it would take minutes; took less than ten seconds:", loop:time() - start < 10)
end)
