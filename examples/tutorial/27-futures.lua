-- A future is a result that someone will provide later. Tasks are futures
-- whose result is their function's; a plain one is filled by hand.
-- Shows: create_future, set_result, set_exception, several waiters.
local casync = require "casync"
local async, await = casync.async, casync.await

local waiter = async(function(name, future)
  print(name .. " waits")
  local ok, value = pcall(await, future)
  print(("%s gets %s %s"):format(name, ok, value))
end)

casync.run(function()
  local loop = casync.get_running_loop()
  local promise = loop:create_future()
  loop:call_later(0.02, function()
    print("the result arrives")
    promise:set_result("mail")
  end)
  await(casync.gather(waiter("first", promise), waiter("second", promise)))
  print("await again: " .. await(promise))
  print("set again:", (pcall(promise.set_result, promise, "more")))

  local broken = loop:create_future()
  loop:call_soon(broken.set_exception, broken, "lost on the way")
  await(waiter("third", broken))
end)
