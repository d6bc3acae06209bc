-- Semaphore: three permits, twelve tasks, some cancelled; hand-over.
local casync = require "casync"
local async, await = casync.async, casync.await

local inside, peak, order = 0, 0, {}

local worker = async(function(sem, name, hold)
  local _ <close> = await(sem:acquire_scoped())
  inside = inside + 1
  peak = math.max(peak, inside)
  order[#order + 1] = name
  local ok, e = pcall(function()
    for _ = 1, hold do await(casync.sleep(0)) end
  end)
  inside = inside - 1
  if not ok then error(e, 0) end
end)

local function settle()
  for _ = 1, 40 do await(casync.sleep(0)) end
end

casync.run(function()
  local sem, tasks = casync.Semaphore(3), {}
  for i, hold in ipairs { 3, 1, 4, 1, 5, 2, 6, 5, 3, 5, 2, 4 } do
    tasks[i] = casync.create_task(worker(sem, "t" .. i - 1, hold))
  end
  await(casync.sleep(0))
  for _, i in ipairs { 1, 4, 7, 10 } do tasks[i + 1]:cancel() end
  local results = await(casync.gather(tasks, {return_exceptions = true}))
  local cancelled = 0
  for i = 1, #tasks do
    local r = results[i]
    if casync.is_failure(r) and casync.CancelledError:is(r.error) then cancelled = cancelled + 1 end
  end
  print("order " .. table.concat(order, " "))
  print(("peak %d cancelled %d"):format(peak, cancelled))
  print("free again " .. tostring(not sem:locked()))

  sem, order, tasks = casync.Semaphore(0), {}, {}
  for i = 0, 2 do tasks[i] = casync.create_task(worker(sem, "w" .. i, 0)) end
  settle()
  sem:release()
  sem:release()
  print("handed over, locked " .. tostring(sem:locked()))
  local barger = casync.create_task(worker(sem, "barger", 0))
  tasks[0]:cancel()
  settle()
  sem:release()
  settle()
  print(("order %s barger done %s"):format(table.concat(order, " "), barger:done()))

  local n = 0
  while not sem:locked() do
    await(sem:acquire())
    n = n + 1
  end
  print("permits left " .. n)

  local bounded = casync.BoundedSemaphore(1)
  await(bounded:acquire())
  bounded:release()
  if not pcall(bounded.release, bounded) then print("released too often is refused") end
  if not pcall(casync.Semaphore, -1) then print("negative is refused") end
end)
