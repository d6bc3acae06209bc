-- The order in which callbacks, task steps and done-callbacks run.
local casync = require "casync"
local async, await = casync.async, casync.await

local log = {}

local function append(s) log[#log + 1] = s end

local step = async(function(name, n)
  for i = 0, n - 1 do
    append(name .. i)
    await(casync.sleep(0))
  end
end)

local waiter = async(function(name, future)
  append(name .. "<")
  append(name .. "=" .. await(future))
end)

local nest
nest = async(function(level)
  append("down" .. level)
  if level > 0 then await(casync.create_task(nest(level - 1))) end
  append("up" .. level)
end)

local function ticks(n)
  for _ = 1, n do
    append("|")
    await(casync.sleep(0))
  end
end

local function show(title)
  print(title .. ": " .. table.concat(log, " "))
  log = {}
end

casync.run(function()
  local loop = casync.get_running_loop()
  local future = loop:create_future()
  loop:call_soon(append, "a")
  local t = casync.create_task(step("t", 3))
  loop:call_soon(append, "b")
  local w0 = casync.create_task(waiter("w0", future))
  local w1 = casync.create_task(waiter("w1", future))
  t:add_done_callback(function() append("done") end)
  loop:call_soon(future.set_result, future, "v")
  loop:call_soon(append, "c")
  ticks(6)
  show("mixed")

  future = loop:create_future()
  future:add_done_callback(function() append("before") end)
  local w2 = casync.create_task(waiter("w2", future))
  await(casync.sleep(0))
  future:add_done_callback(function() append("after") end)
  future:set_result(1)
  append("set")
  future:add_done_callback(function() append("late") end)
  ticks(3)
  show("callbacks")

  local n = casync.create_task(nest(3))
  ticks(10)
  show("nested")

  loop:call_later(0, append, "timer")
  loop:call_soon(append, "soon")
  await(casync.sleep(0))
  await(casync.sleep(0.01))
  local seen = {}
  for _, s in ipairs(log) do seen[s] = true end
  print(tostring(seen.timer) .. " " .. tostring(seen.soon))
  log = {}

  local function again(k)
    append("again" .. k)
    if k > 0 then loop:call_soon(again, k - 1) end
  end

  again(3)
  ticks(4)
  show("rescheduled")
  for _, task in ipairs { t, w0, w1, w2, n } do await(task) end
end)
