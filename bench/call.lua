--- An async function is called and awaited in the same task.
-- Prints nanoseconds of processor time per call.

local casync = require "casync"

local await = casync.await

local count = tonumber(arg[1]) or 3000000

local work = casync.async(function(i) return i end)

casync.run(function()
  local sum = 0
  local start = os.clock()
  for i = 1, count do sum = sum + await(work(i)) end
  local took = os.clock() - start
  assert(sum == count * (count + 1) // 2)
  print(("ns=%.1f"):format(took / count * 1e9))
end)
