--- Ten tasks give up their turn: what one `await(sleep(0))` costs.
-- Prints nanoseconds of processor time per switch.

local casync = require "casync"

local await, sleep = casync.await, casync.sleep

local TASKS = 10
local turns = (tonumber(arg[1]) or 2000000) // TASKS

local function work()
  for _ = 1, turns do await(sleep(0)) end
end

casync.run(function()
  local tasks = {}
  local start = os.clock()
  for i = 1, TASKS do tasks[i] = casync.create_task(work) end
  for i = 1, TASKS do await(tasks[i]) end
  print(("ns=%.1f"):format((os.clock() - start) / (turns * TASKS) * 1e9))
end)
