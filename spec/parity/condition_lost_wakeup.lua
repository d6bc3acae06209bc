-- Condition: notify counts, cancelled waiters, re-acquiring the lock.
local casync = require "casync"
local async, await = casync.async, casync.await

local log = {}

local function note(...) log[#log + 1] = (...):format(select(2, ...)) end

local consumer = async(function(cond, stock, name)
  local ok, e = pcall(await, cond:with(function()
    while #stock == 0 do await(cond:wait()) end
    note("%s took %s", name, table.remove(stock, 1))
  end))
  if ok then return end
  if casync.CancelledError:is(e) then note("%s cancelled, locked %s", name, cond:locked()) end
  error(e, 0)
end)

local function settle()
  for _ = 1, 10 do await(casync.sleep(0)) end
end

local function show(title, stock)
  print(("%s: %s; left %d"):format(title, table.concat(log, "; "), #stock))
  log = {}
end

casync.run(function()
  local cond, stock, tasks = casync.Condition(), {}, {}
  for i = 0, 3 do tasks[i] = casync.create_task(consumer(cond, stock, "c" .. i)) end
  settle()
  await(cond:with(function()
    stock[1], stock[2] = "a", "b"
    cond:notify(2)
    note("notified")
  end))
  settle()
  show("notify two of four", stock)

  tasks[2]:cancel()
  settle()
  await(cond:with(function()
    stock[1], stock[2] = "c", "d"
    cond:notify_all()
  end))
  settle()
  show("one cancelled before", stock)

  local late = casync.create_task(consumer(cond, stock, "late"))
  settle()
  show("stock waits for nobody", stock)
  await(late)

  local task = casync.create_task(function()
    local _ <close> = await(cond:acquire_scoped())
    local ok, e = pcall(await, cond:wait())
    note("re-acquired %s", cond:locked())
    if not ok then error(e, 0) end
  end)
  settle()
  await(cond:acquire())
  task:cancel()
  settle()
  note("done while lock is held %s", task:done())
  cond:release()
  settle()
  note("cancelled %s", task:cancelled())
  show("cancelled while contested", stock)

  for _, name in ipairs { "notify", "notify_all" } do
    if not pcall(cond[name], cond) then print(name .. " without the lock is refused") end
  end
  if not pcall(function() await(cond:wait()) end) then
    print("wait without the lock is refused")
  end

  task = casync.create_task(function()
    local _ <close> = await(cond:acquire_scoped())
    note("%s", await(cond:wait_for(function() return #stock > 2 end)))
  end)
  for _, item in ipairs { "x", "y", "z" } do
    settle()
    await(cond:with(function()
      stock[#stock + 1] = item
      cond:notify()
      note("put %s", item)
    end))
  end
  await(task)
  show("wait_for", stock)
end)
