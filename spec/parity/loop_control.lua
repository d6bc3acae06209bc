-- Loops by hand: stop, run again, nested runs, close and afterwards.
local casync = require "casync"
local async, await = casync.async, casync.await

local log = {}

local function add(s) log[#log + 1] = s end

local function logged() return table.concat(log, " ") end

local function refused(title, call, ...)
  print(title .. (pcall(call, ...) and " allowed" or " refused"))
end

local loop = casync.new_event_loop()

loop:stop()
loop:call_soon(add, "soon")
loop:call_soon(function() loop:call_soon(add, "next") end)
loop:run_forever()
print("stop before run: " .. logged())

loop:call_soon(loop.stop, loop)
loop:call_soon(add, "same pass")
loop:run_forever()
print("stop inside: " .. logged())
log = {}

local last_step = async(function()
  loop:call_soon(add, "after main")
  loop:call_soon(function() loop:call_soon(add, "too late") end)
  return "value"
end)

local value = loop:run_until_complete(last_step())
print("result: " .. value .. " " .. logged())
loop:call_soon(loop.stop, loop)
loop:run_forever()
print("kept for the next run: " .. logged())
log = {}

local task = loop:create_task(function()
  loop:stop()
  await(casync.sleep(1))
end)
refused("stopped before completion", loop.run_until_complete, loop, task)
task:cancel()
local ok, e = pcall(loop.run_until_complete, loop, task)
if not ok and casync.CancelledError:is(e) then print("then cancelled") end

loop:run_until_complete(function()
  print(("running %s closed %s"):format(loop:is_running(), loop:is_closed()))
  print("is the running loop " .. tostring(casync.get_running_loop() == loop))
  refused("run_forever inside", loop.run_forever, loop)
  local other = casync.new_event_loop()
  refused("another loop inside", other.run_forever, other)
  other:close()
  refused("close inside", loop.close, loop)
  refused("run inside", casync.run, print)
end)
print("running " .. tostring(loop:is_running()))

ok, e = pcall(loop.run_until_complete, loop, function() error("from the coroutine", 0) end)
if not ok then print("error: " .. e) end

local future = loop:create_future()
loop:call_later(0.01, future.set_result, future, "from a timer")
print("future: " .. loop:run_until_complete(future))
print("done future: " .. loop:run_until_complete(future))

loop:call_soon(print, "never printed")
loop:call_later(0, print, "never printed")
loop:close()
loop:close()
print("closed " .. tostring(loop:is_closed()))
refused("call_soon", loop.call_soon, loop, print)
refused("call_later", loop.call_later, loop, 1, print)
refused("run_forever", loop.run_forever, loop)
refused("create_task", loop.create_task, loop, print)
refused("run_until_complete", loop.run_until_complete, loop, print)
refused("get_running_loop", casync.get_running_loop)
