--- A task is made and awaited, then the next one.
-- Prints nanoseconds of processor time per task.

local casync = require "casync"

local await, create_task = casync.await, casync.create_task

local count = tonumber(arg[1]) or 500000

local work = casync.async(function(i) return i end)

casync.run(function()
  local sum = 0
  local start = os.clock()
  for i = 1, count do sum = sum + await(create_task(work(i))) end
  local took = os.clock() - start
  assert(sum == count * (count + 1) // 2)
  print(("ns=%.1f"):format(took / count * 1e9))
end)
