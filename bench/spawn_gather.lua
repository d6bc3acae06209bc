--- Many tasks are made at once, then gathered.
-- Prints nanoseconds of processor time per task.

local casync = require "casync"

local await, create_task = casync.await, casync.create_task

local count = tonumber(arg[1]) or 200000

local work = casync.async(function(i) return i end)

casync.run(function()
  local tasks = {}
  local start = os.clock()
  for i = 1, count do tasks[i] = create_task(work(i)) end
  local results = await(casync.gather(tasks))
  local took = os.clock() - start
  assert(#results == count and results[count] == count)
  print(("ns=%.1f"):format(took / count * 1e9))
end)
