-- Calling an async function without await runs nothing. When the object is
-- collected unused, the loop's exception handler is told of it (by default it
-- prints the message to standard error).
-- Shows: the report "was never awaited", set_exception_handler.
local casync = require "casync"
local async, await = casync.async, casync.await

local save = async(function(what) print("saved " .. what) end)

casync.run(function()
  casync.get_running_loop():set_exception_handler(function(_, context)
    local name = context.message:match("^coroutine '(%w+)'.* was never awaited")
    print("report: " .. name .. " was never awaited")
  end)
  save("the draft")
  print("forgot an await")
  await(save("the letter"))
  collectgarbage()
  collectgarbage()
  await(casync.sleep(0))
  print("going on")
end)
