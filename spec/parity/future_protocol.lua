-- Futures: states, misuse, callbacks, the same error for every waiter.
local casync = require "casync"
local async, await = casync.async, casync.await

local oops = casync.Error:extend("OopsError")

local function attempt(title, call, ...)
  local ok, value = pcall(call, ...)
  if ok then
    print(title .. ": " .. tostring(value))
  elseif casync.InvalidStateError:is(value) then
    print(title .. ": InvalidStateError")
  elseif casync.CancelledError:is(value) then
    print(title .. ": CancelledError " .. value.message)
  elseif oops:is(value) then
    print(title .. ": error " .. value.message)
  else
    print(title .. ": misuse")
  end
end

local function settle()
  for _ = 1, 3 do await(casync.sleep(0)) end
end

casync.run(function()
  local loop = casync.get_running_loop()
  local f = loop:create_future()
  print(("pending %s %s"):format(f:done(), f:cancelled()))
  attempt("result early", f.result, f)
  attempt("exception early", f.exception, f)
  f:set_result(42)
  print(("done %s %s"):format(f:done(), f:cancelled()))
  attempt("result", f.result, f)
  print("no exception " .. tostring(f:exception() == nil))
  attempt("set again", f.set_result, f, 1)
  attempt("fail again", f.set_exception, f, oops("x"))
  print("cancel done " .. tostring(f:cancel()))
  print("await done " .. await(f))

  f = loop:create_future()
  f:set_exception(oops("kept"))
  attempt("failed", f.result, f)
  local _, one = pcall(await, f)
  local _, two = pcall(await, f)
  print(("same object %s %s"):format(rawequal(one, two), rawequal(one, f:exception())))

  f = loop:create_future()
  print(("cancel %s %s %s %s"):format(f:cancel("why"), f:cancelled(), f:done(), f:cancel()))
  attempt("cancelled result", f.result, f)
  attempt("set after cancel", f.set_result, f, 1)
  f = loop:create_future()
  f:cancel()
  attempt("cancelled exception", f.exception, f)

  local log = {}
  local function add(s) log[#log + 1] = s end
  local function note() add("note") end
  f = loop:create_future()
  f:add_done_callback(function(fut) add("first " .. fut:result()) end)
  f:add_done_callback(note)
  f:add_done_callback(function() add("third") end)
  f:add_done_callback(note)
  print(("removed %d %d"):format(f:remove_done_callback(note), f:remove_done_callback(note)))
  f:add_done_callback(note)
  f:set_result("r")
  add("set")
  f:add_done_callback(function() add("after") end)
  add("added")
  settle()
  print("callbacks " .. table.concat(log, "; "))

  log = {}
  f = loop:create_future()
  local tasks = {}
  for i, name in ipairs { "a", "b", "c" } do
    tasks[i] = casync.create_task(function()
      local _, e = pcall(await, f)
      add(name .. " " .. e.message)
    end)
  end
  settle()
  f:set_exception(oops("shared"))
  await(casync.gather(tasks))
  print("waiters " .. table.concat(log, "; "))

  local t = casync.create_task(async(function() return "n" end)())
  attempt("task set_result", t.set_result, t, 1)
  attempt("task set_exception", t.set_exception, t, oops())
  attempt("task result early", t.result, t)
  await(t)
  attempt("task result", t.result, t)
  print(("loop %s %s"):format(t:get_loop() == loop, f:get_loop() == loop))
  print("ensure_future keeps it " .. tostring(casync.ensure_future(f) == f))

  print("awaiting oneself " .. await(casync.create_task(function()
    if not pcall(await, casync.current_task()) then return "refused" end
  end)))

  f = loop:create_future()
  tasks = {}
  for i = 1, 2 do tasks[i] = casync.create_task(function() await(f) end) end
  settle()
  tasks[1]:cancel()
  settle()
  print(("cancelling a waiter cancels the future %s %s"):format(f:cancelled(), tasks[2]:cancelled()))
end)
