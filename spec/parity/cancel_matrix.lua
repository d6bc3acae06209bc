-- What cancel() does to a task in each of its states.
local casync = require "casync"
local async, await = casync.async, casync.await

local function message(e) return e.message end

local function outcome(task)
  local ok, value = pcall(await, task)
  if ok then return "value " .. value end
  if casync.CancelledError:is(value) then return "cancelled " .. message(value) end
  return "error " .. value
end

local function report(title, task)
  local text = outcome(task)
  print(("%s: %s, cancelling %d, cancelled %s"):format(title, text, task:cancelling(), task:cancelled()))
end

local sleeper = async(function()
  local ok, e = pcall(await, casync.sleep(10))
  print("  sleeper ends")
  if not ok then error(e, 0) end
  return "slept"
end)

local swallower = async(function()
  local ok, e = pcall(await, casync.sleep(10))
  if not ok then print("  swallowed " .. message(e)) end
  await(casync.sleep(0))
  return "swallowed"
end)

local outer = async(function(inner)
  return "outer of " .. await(inner)
end)

local function started(aw)
  local task = casync.create_task(aw)
  await(casync.sleep(0))
  return task
end

casync.run(function()
  local loop = casync.get_running_loop()

  local t = casync.create_task(sleeper())
  t:cancel("early")
  report("unstarted", t)

  t = started(sleeper())
  t:cancel("one")
  print("requested " .. tostring(t:cancelled()) .. " " .. t:cancelling())
  report("sleeping", t)

  t = started(sleeper())
  print(tostring(t:cancel("first")) .. " " .. tostring(t:cancel("second")))
  report("twice", t)

  local inner = started(sleeper())
  t = started(outer(inner))
  t:cancel("deep")
  report("on a task", t)
  print("inner " .. tostring(inner:cancelled()) .. " " .. inner:cancelling())

  inner = started(swallower())
  t = started(outer(inner))
  t:cancel("kept")
  report("inner swallows", t)

  t = started(swallower())
  t:cancel("eaten")
  report("swallows", t)

  local future = loop:create_future()
  t = started(outer(future))
  future:set_result("lost")
  t:cancel("late")
  report("future already done", t)
  print("future keeps " .. future:result())

  report("self, then returns", casync.create_task(function()
    casync.current_task():cancel("self")
    return "returned"
  end))

  report("self, then raises", casync.create_task(function()
    casync.current_task():cancel("self")
    error("wins", 0)
  end))

  report("self, then awaits", casync.create_task(function()
    casync.current_task():cancel("self")
    local done = loop:create_future()
    done:set_result(7)
    print("  done future gives " .. await(done))
    await(casync.sleep(0))
    print("  never here")
  end))

  t = started(async(function()
    local _, first = pcall(await, casync.sleep(10))
    local ok, second = pcall(await, casync.sleep(10))
    print("  cleanup interrupted")
    error(ok and first or second, 0)
  end)())
  t:cancel("a")
  await(casync.sleep(0))
  t:cancel("b")
  report("in cleanup", t)

  report("raises it", casync.create_task(function()
    error(casync.CancelledError("own"))
  end))

  t = started(async(function()
    local ok = pcall(await, casync.sleep(10))
    if not ok then error("converted", 0) end
  end)())
  t:cancel()
  report("converts", t)

  t = casync.create_task(function() return "done" end)
  await(t)
  print("on done " .. tostring(t:cancel("no")) .. " " .. t:cancelling())
end)
