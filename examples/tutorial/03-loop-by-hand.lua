-- What casync.run does, step by step: make a loop, run an object, close it.
-- Shows: new_event_loop, set_event_loop, get_event_loop, run_until_complete, close.
local casync = require "casync"
local async, await = casync.async, casync.await

local add_three = async(function(x)
  print("adding three to " .. x)
  await(casync.sleep(0.01))
  return x + 3
end)

local loop = casync.new_event_loop()
casync.set_event_loop(loop)
print("the loop that was set is the one we get:", casync.get_event_loop() == loop)
print("running " .. tostring(loop:is_running()) .. ", closed " .. tostring(loop:is_closed()))

print("result " .. loop:run_until_complete(add_three(2)))
print("result " .. loop:run_until_complete(add_three(40)))

loop:close()
casync.set_event_loop(nil)
print("running " .. tostring(loop:is_running()) .. ", closed " .. tostring(loop:is_closed()))
