-- wait gives two lists, done and pending, and three ways to say when.
-- It cancels nothing and throws nothing: errors stay in the tasks.
-- Shows: wait, FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED, timeout.
local casync = require "casync"
local async, await = casync.async, casync.await

local runner = async(function(delay, fails)
  await(casync.sleep(delay))
  if fails then error("stumbled", 0) end
  return "arrived"
end)

local function names(tasks)
  local list = {}
  for i, t in ipairs(tasks) do list[i] = t:get_name() end
  table.sort(list)
  return #list > 0 and table.concat(list, ", ") or "nobody"
end

local function race(title, options)
  local tasks = {
    casync.create_task(runner(0.02), {name = "quick"}),
    casync.create_task(runner(0.08, true), {name = "clumsy"}),
    casync.create_task(runner(0.2), {name = "slow"}),
  }
  local done, pending = await(casync.wait(tasks, options))
  print(("%s: done %s; pending %s"):format(title, names(done), names(pending)))
  if done[tasks[2]] then print("  clumsy " .. tasks[2]:exception()) end
  for _, t in ipairs(pending) do t:cancel() end
end

casync.run(function()
  race("first completed", {return_when = casync.FIRST_COMPLETED})
  race("first exception", {return_when = casync.FIRST_EXCEPTION})
  race("all completed", {return_when = casync.ALL_COMPLETED})
  race("time-out", {timeout = 0.14})
end)
