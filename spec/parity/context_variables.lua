-- Context variables: awaits share, tasks and callbacks inherit a copy.
local casync = require "casync"
local async, await = casync.async, casync.await

local var = casync.ContextVar("var", "default")
local other = casync.ContextVar("other")

local inner = async(function()
  local before = var:get()
  var:set("inner")
  await(casync.sleep(0))
  return ("saw %s, set %s"):format(before, var:get())
end)

casync.run(function()
  local loop = casync.get_running_loop()
  print("default " .. var:get() .. " " .. tostring(other:get() == nil))
  local token = var:set("main")
  print("awaited: " .. await(inner()) .. " ; after: " .. var:get())
  var:set("main")
  print("task: " .. await(casync.create_task(inner())) .. " ; after: " .. var:get())
  local a, b = await(casync.gather(inner(), inner()))
  print("gather: " .. a .. "; " .. b .. " ; after: " .. var:get())

  local task = casync.create_task(inner())
  var:set("changed after creation")
  print("created before: " .. await(task))

  local future = loop:create_future()
  var:set("when scheduled")
  loop:call_soon(function() future:set_result(var:get()) end)
  var:set("when running")
  print("callback: " .. await(future))

  local seen, done = loop:create_future(), loop:create_future()
  var:set("when added")
  done:add_done_callback(function() seen:set_result(var:get()) end)
  var:set("when done")
  done:set_result()
  print("done callback: " .. await(seen))

  local timer = loop:create_future()
  var:set("in timer")
  loop:call_later(0.005, function() timer:set_result(var:get()) end)
  var:set("later")
  print("timer: " .. await(timer))

  local context = casync.copy_context()
  var:set("not in the copy")
  print("explicit: " .. await(casync.create_task(inner(), {context = context})))
  print("again: " .. await(casync.create_task(inner(), {context = context})))
  print("here: " .. var:get())

  var:reset(token)
  print("reset: " .. var:get())
  if not pcall(var.reset, var, token) then print("token used twice is refused") end
end)
print("outside: " .. var:get())
