-- Event and Barrier: set and clear, cycles, reset, abort, cancelled waiters.
local casync = require "casync"
local async, await = casync.async, casync.await

local function settle()
  for _ = 1, 10 do await(casync.sleep(0)) end
end

local function events()
  local event, log = casync.Event(), {}

  local waiter = async(function(name)
    local value = await(event:wait())
    log[#log + 1] = ("%s %s %s"):format(name, value, event:is_set())
  end)
  local tasks = {}
  for i = 0, 2 do tasks[i] = casync.create_task(waiter("w" .. i)) end
  settle()
  tasks[1]:cancel()
  event:set()
  event:clear()
  settle()
  print("set and clear: " .. table.concat(log, "; "))
  log = {}
  local late = casync.create_task(waiter("late"))
  settle()
  print(("cleared %s %s"):format(late:done(), event:is_set()))
  event:set()
  event:set()
  await(late)
  await(waiter("at once"))
  print("set: " .. table.concat(log, "; "))
end

local function barriers()
  local barrier, log = casync.Barrier(3), {}
  print(("parties %d waiting %d broken %s"):format(barrier.parties, barrier.n_waiting, barrier.broken))

  local member = async(function()
    local ok, index = pcall(await, barrier:wait())
    if not ok and not casync.BrokenBarrierError:is(index) then error(index, 0) end
    log[#log + 1] = ok and index or "broken"
  end)

  local function start(n)
    local tasks = {}
    for i = 1, n do tasks[i] = casync.create_task(member()) end
    return tasks
  end

  local function logged()
    table.sort(log)
    local text = table.concat(log, " ")
    log = {}
    return text
  end

  for cycle = 0, 1 do
    await(casync.gather(start(3)))
    print(("cycle %d %s waiting %d"):format(cycle, logged(), barrier.n_waiting))
  end

  local tasks = start(2)
  settle()
  print("waiting " .. barrier.n_waiting)
  await(barrier:reset())
  await(casync.gather(tasks))
  print(("reset %s broken %s"):format(logged(), barrier.broken))

  tasks = start(2)
  settle()
  tasks[1]:cancel()
  settle()
  print(("one cancelled, waiting %d broken %s"):format(barrier.n_waiting, barrier.broken))
  table.move(start(2), 1, 2, 3, tasks)
  await(casync.gather(tasks, {return_exceptions = true}))
  print("still works " .. #log)
  log = {}

  tasks = start(2)
  settle()
  await(barrier:abort())
  await(casync.gather(tasks))
  await(member())
  print(("abort %s broken %s"):format(logged(), barrier.broken))
  await(barrier:reset())
  print("mended " .. tostring(not barrier.broken))
  await(casync.gather(start(6)))
  print("two rounds " .. logged())
  if not pcall(casync.Barrier, 0) then print("no parties is refused") end
end

casync.run(function()
  events()
  barriers()
end)
