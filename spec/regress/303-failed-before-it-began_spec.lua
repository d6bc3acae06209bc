-- The error of a task that could not begin, as its coroutine had been closed
-- by a 'coroutine.close' from before casync was loaded, was never reported.

local casync = require "casync"
local helper = require "spec.helper"

local await, sleep = casync.await, casync.sleep

describe("a task that fails before its body", function()
  it("is reported when nobody asks for its error", helper.async(function()
    local messages = {}
    casync.get_running_loop():set_exception_handler(function(_, context)
      messages[#messages + 1] = context.message
    end)
    local _, close = debug.getupvalue(coroutine.close, 2)     -- Lua's own
    for _ = 1, 2 do
      close(casync.create_task(function() end):get_coro())
    end
    await(sleep(0))
    collectgarbage()
    collectgarbage()
    assert.same({"Task exception was never retrieved",
      "Task exception was never retrieved"}, messages)
  end))
end)
