-- A loop can be run again and again, until it is closed; afterwards every use
-- of it is an error. Closing twice does no harm; closing while it runs does.
-- Shows: run_until_complete, close, is_closed.
local casync = require "casync"
local async, await = casync.async, casync.await

local work = async(function(n)
  await(casync.sleep(0.005))
  return "work " .. n .. " done"
end)

local loop = casync.new_event_loop()
print(loop:run_until_complete(work(1)))
print(loop:run_until_complete(work(2)))
loop:run_until_complete(function()
  print("closed while running:", (pcall(loop.close, loop)))
  print("run while running:", (pcall(loop.run_forever, loop)))
end)

loop:close()
loop:close()
print("closed:", loop:is_closed())
print("run after close:", (pcall(loop.run_until_complete, loop, casync.sleep(0))))
print("call_soon after close:", (pcall(loop.call_soon, loop, print)))
print("create_task after close:", (pcall(loop.create_task, loop, print)))
print("a new one works:", casync.run(work(3)))
