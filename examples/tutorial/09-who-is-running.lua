-- Which task runs this line, and which are not finished yet.
-- Shows: current_task, all_tasks, create_task with a name, get_running_loop.
local casync = require "casync"
local async, await = casync.async, casync.await

local function names()
  local list = {}
  for i, t in ipairs(casync.all_tasks()) do list[i] = t:get_name() end
  table.sort(list)
  return table.concat(list, " ")
end

local walker = async(function(delay)
  print("now in " .. casync.current_task():get_name())
  await(casync.sleep(delay))
  print("back in " .. casync.current_task():get_name())
end)

casync.run(function()
  casync.current_task():set_name("guide")
  local east = casync.create_task(walker(0.08), {name = "east"})
  local west = casync.create_task(walker(0.01), {name = "west"})
  print("unfinished: " .. names())
  await(west)
  print("unfinished: " .. names())
  await(east)
  print("unfinished: " .. names())
  local answer = casync.get_running_loop():create_future()
  casync.get_running_loop():call_soon(function() answer:set_result(casync.current_task() == nil) end)
  print("no task in a plain callback:", await(answer))
end)
print("no loop out here:", not pcall(casync.get_running_loop))
