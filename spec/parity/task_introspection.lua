-- Names, current_task, all_tasks, what is a coroutine and what a future.
local casync = require "casync"
local async, await = casync.async, casync.await

local sleeper = async(function() await(casync.sleep(1)) end)

local whoami = async(function()
  await(casync.sleep(0))
  return casync.current_task():get_name()
end)

local function names(tasks)
  local list = {}
  for i, t in ipairs(tasks) do list[i] = t:get_name() end
  table.sort(list)
  return table.concat(list, " ")
end

casync.run(function()
  local me = casync.current_task()
  me:set_name("main")
  local tasks = {}
  for i, name in ipairs { "one", "two", "three" } do
    tasks[i] = casync.create_task(whoami(), {name = name})
  end
  local results = await(casync.gather(tasks))
  print("names " .. table.concat(results, " "))
  tasks[1]:set_name("renamed")
  print("renamed " .. tasks[1]:get_name())
  print("default " .. tostring(casync.create_task(whoami()):get_name():match("^Task%-%d+$") ~= nil))
  await(casync.sleep(0.001))

  local running = {}
  for i = 1, 3 do running[i] = casync.create_task(sleeper(), {name = "s" .. i - 1}) end
  await(casync.sleep(0))
  print("all " .. names(casync.all_tasks()))
  running[2]:cancel()
  await(casync.sleep(0))
  print("less one " .. names(casync.all_tasks()))

  local seen = casync.get_running_loop():create_future()
  casync.get_running_loop():call_soon(function() seen:set_result(casync.current_task() == nil) end)
  print("no task in a callback " .. tostring(await(seen)))

  local coro = sleeper()
  local iscoroutine, isfuture = casync.iscoroutine, casync.isfuture
  print(("coroutine function %s %s"):format(casync.iscoroutinefunction(sleeper), casync.iscoroutinefunction(names)))
  print(("coroutine %s %s %s"):format(iscoroutine(coro), iscoroutine(sleeper), iscoroutine(me)))
  print(("future %s %s %s"):format(isfuture(me), isfuture(seen), isfuture(coro)))
  local task = casync.ensure_future(coro)
  print("ensure_future of a task " .. tostring(casync.ensure_future(task) == task))
  task:cancel()
  for _, t in ipairs(running) do t:cancel() end
  running[4] = task
  await(casync.wait(running))
  print("left " .. names(casync.all_tasks()))
  if not pcall(await, 5) then print("a number cannot be awaited") end
  coro = whoami()
  await(coro)
  if not pcall(await, coro) then print("a coroutine object cannot be awaited twice") end
end)
