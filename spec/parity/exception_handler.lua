-- Errors that nobody awaits go to the loop's exception handler.
local casync = require "casync"
local async, await = casync.async, casync.await

local function handler(_, context)
  local keys = {}
  for _, k in ipairs { "exception", "future", "handle", "message", "task" } do
    if context[k] ~= nil then keys[#keys + 1] = k end
  end
  local head = context.message:gsub(" in callback .*", ""):gsub(" was .*", "")
  local e = context.exception
  print(("handler: %s; %s; %s"):format(head, e == nil and "None" or e, table.concat(keys, " ")))
end

local function boom(text) error(text, 0) end

local function settle()
  for _ = 1, 3 do await(casync.sleep(0)) end
end

local fail = async(function(text) error(text, 0) end)

local function collect()
  collectgarbage()
  collectgarbage()
  settle()
end

casync.run(function()
  local loop = casync.get_running_loop()
  loop:set_exception_handler(handler)
  print("handler set " .. tostring(loop:get_exception_handler() == handler))

  loop:call_soon(boom, "soon")
  loop:call_soon(print, "the next callback runs")
  settle()

  loop:call_later(0.005, boom, "timer")
  await(casync.sleep(0.02))

  local future = loop:create_future()
  future:add_done_callback(function() boom("done callback") end)
  future:add_done_callback(function(f) print("second callback gets " .. f:result()) end)
  future:set_result(1)
  settle()

  local task = casync.create_task(fail("task"))
  settle()
  print("task failed " .. tostring(task:done()))
  task = nil
  collect()

  task = casync.create_task(fail("seen"))
  settle()
  print("exception is " .. task:exception())
  task = nil
  collect()

  future = loop:create_future()
  future:set_exception("future")
  future = nil
  collect()

  loop:call_exception_handler({message = "by hand"})

  loop:set_exception_handler(function()
    print("broken handler called")
    error("handler itself", 0)
  end)
  loop:call_soon(boom, "to the broken one")
  settle()

  loop:set_exception_handler(nil)
  print("handler gone " .. tostring(loop:get_exception_handler() == nil))
  for _, bad in ipairs { 1, "x" } do
    if not pcall(loop.set_exception_handler, loop, bad) then print("not callable is refused") end
  end
end)
