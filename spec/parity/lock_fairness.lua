-- Lock: first come, first served; cancelled waiters; no barging.
local casync = require "casync"
local async, await = casync.async, casync.await

local order = {}

local worker = async(function(lock, name)
  local _ <close> = await(lock:acquire_scoped())
  order[#order + 1] = name
  await(casync.sleep(0))
end)

local function settle()
  for _ = 1, 10 do await(casync.sleep(0)) end
end

local function start(lock, prefix, n)
  local tasks = {}
  for i = 1, n do tasks[i] = casync.create_task(worker(lock, prefix .. i - 1)) end
  return tasks
end

local function show(title)
  print(title .. ": " .. table.concat(order, " "))
  order = {}
end

casync.run(function()
  local lock = casync.Lock()
  await(casync.gather(start(lock, "w", 5)))
  show("fifo")

  await(lock:acquire())
  local tasks = start(lock, "q", 4)
  settle()
  tasks[2]:cancel()
  settle()
  lock:release()
  settle()
  show("queued waiter cancelled")

  await(lock:acquire())
  tasks = start(lock, "k", 3)
  settle()
  lock:release()
  tasks[1]:cancel()
  settle()
  show("woken waiter cancelled")
  print(("locked %s k0 cancelled %s"):format(lock:locked(), tasks[1]:cancelled()))

  await(lock:acquire())
  start(lock, "b", 2)
  settle()
  lock:release()
  await(worker(lock, "barger"))
  settle()
  show("barging")

  if not pcall(lock.release, lock) then print("release of a free lock is refused") end

  await(lock:acquire())
  await(casync.create_task(function() lock:release() end))
  print("any task may release " .. tostring(lock:locked()))

  local _, e = pcall(await, lock:with(function() error("inside", 0) end))
  print(("error %s locked %s"):format(e, lock:locked()))

  await(lock:acquire())
  tasks = start(lock, "x", 4)
  settle()
  for _, t in ipairs(tasks) do t:cancel() end
  settle()
  lock:release()
  print("all cancelled, locked " .. tostring(lock:locked()))
end)
