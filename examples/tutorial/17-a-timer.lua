-- A timer is a sleep with a callback; the loop's own call_later needs no task
-- at all and can be called off.
-- Shows: ensure_future(sleep), add_done_callback, call_later, cancel.
local casync = require "casync"
local async, await = casync.async, casync.await

local timer = async(function(delay, callback)
  local future = casync.ensure_future(casync.sleep(delay, "time is up"))
  future:add_done_callback(callback)
  return await(future)
end)

casync.run(function()
  print(await(timer(0.01, function(future) print("callback: " .. future:result()) end)))

  local loop = casync.get_running_loop()
  loop:call_later(0.03, print, "third")
  loop:call_later(0.01, print, "first")
  loop:call_later(0.02, print, "second")
  local handle = loop:call_later(0.015, print, "never printed")
  handle:cancel()
  print("called off:", handle:cancelled())
  await(casync.sleep(0.06))
  print("done")
end)
