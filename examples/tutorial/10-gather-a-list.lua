-- gather takes a list too, of coroutine objects or of tasks, and gives a list.
-- Ten equal jobs take the time of one.
-- Shows: gather with a list, done callbacks on members.
local casync = require "casync"
local async, await = casync.async, casync.await

local square = async(function(n)
  await(casync.sleep(0.05))
  return n * n
end)

casync.run(function()
  local loop = casync.get_running_loop()
  local jobs = {}
  for n = 1, 10 do jobs[n] = square(n) end
  local start = loop:time()
  local results = await(casync.gather(jobs))
  print("squares " .. table.concat(results, " "))
  print("ten for the time of one:", loop:time() - start < 0.4)

  local tasks, seen = {}, {}
  for n = 1, 3 do
    tasks[n] = casync.create_task(square(n))
    tasks[n]:add_done_callback(function(t) seen[#seen + 1] = t:result() end)
  end
  local list = await(casync.gather(tasks))
  print("callbacks saw " .. table.concat(seen, " "))
  print("list " .. table.concat(list, " "))
  print("an empty list gives " .. await(casync.gather({})).n .. " results")
end)
