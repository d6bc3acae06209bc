-- wait: the three modes, time-outs, what counts as done.
local casync = require "casync"
local async, await = casync.async, casync.await

local FOREVER = 10 ^ 9

local work = async(function(name, turns, err)
  for _ = 1, turns do await(casync.sleep(0)) end
  if err then error(err, 0) end
  return name
end)

local function start(...)
  local tasks = {}
  for i, spec in ipairs { ... } do
    tasks[i] = casync.create_task(work(table.unpack(spec)), {name = spec[1]})
  end
  return tasks
end

local function names(tasks)
  local list = {}
  for i, t in ipairs(tasks) do list[i] = t:get_name() end
  table.sort(list)
  return #list > 0 and table.concat(list, " ") or "none"
end

local function show(title, done, pending)
  print(("%s: done %s; pending %s"):format(title, names(done), names(pending)))
end

local function finish(tasks)
  for _, t in ipairs(tasks) do t:cancel() end
  await(casync.gather(tasks, {return_exceptions = true}))
end

casync.run(function()
  local loop = casync.get_running_loop()
  local tasks
  for _, mode in ipairs { "ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION" } do
    tasks = start({ "a", 30 }, { "b", 10 }, { "c", 20, "bad" }, { "d", 50 })
    show(mode, await(casync.wait(tasks, {return_when = casync[mode]})))
    finish(tasks)
  end

  tasks = start({ "a", 10 }, { "b", 20 })
  show("no exception", await(casync.wait(tasks, {return_when = casync.FIRST_EXCEPTION})))

  tasks = start({ "a", 20 }, { "b", FOREVER })
  await(casync.sleep(0))
  tasks[2]:cancel()
  show("cancelled is no exception", await(casync.wait(tasks, {return_when = casync.FIRST_EXCEPTION})))

  tasks = start({ "a", 10 }, { "b", FOREVER }, { "c", FOREVER })
  show("timeout", await(casync.wait(tasks, {timeout = 0.02})))
  show("zero", await(casync.wait(tasks, {timeout = 0})))
  local cancelled = false
  for _, t in ipairs(tasks) do cancelled = cancelled or t:cancelled() end
  print("never cancels " .. tostring(cancelled))
  finish(tasks)
  show("already done", await(casync.wait(tasks)))
  show("one done", await(casync.wait({ tasks[1] }, {return_when = casync.FIRST_COMPLETED})))

  local x, y = loop:create_future(), loop:create_future()
  loop:call_soon(x.set_result, x, 1)
  loop:call_soon(y.set_result, y, 2)
  local done, pending = await(casync.wait({ x, y }, {return_when = casync.FIRST_COMPLETED}))
  print(("two in one tick %d %d"):format(#done, #pending))

  tasks = start({ "a", 20 }, { "b", 20 })
  local waiter = casync.create_task(casync.wait(tasks))
  await(casync.sleep(0))
  waiter:cancel()
  local ok, e = pcall(await, waiter)
  if not ok and casync.CancelledError:is(e) then
    local results = await(casync.gather(tasks))
    print("waiter cancelled, tasks go on: " .. table.concat(results, " "))
  end

  local t = start({ "twice", 0 })[1]
  done = await(casync.wait({ t, t }))
  print(("duplicates %d member %s result %s"):format(#done, done[t], done[1]:result()))
  if not pcall(function() await(casync.wait({})) end) then print("empty is refused") end
  if not pcall(function() await(casync.wait({ t }, {return_when = "SOMETIMES"})) end) then
    print("bad mode is refused")
  end
end)
