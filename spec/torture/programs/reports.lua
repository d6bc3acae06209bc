-- Errors nobody asks for, and who is told of them.

local casync = require "casync"
local async, await, sleep = casync.async, casync.await, casync.sleep

return function(run)
  run(function()
    local loop = casync.get_running_loop()
    for i = 1, 3 do
      casync.create_task(function()
        await(sleep(0))
        error("lost " .. i)
      end)
    end
    casync.create_task(function() error {} end)
    casync.create_task(function() error() end)
    await(sleep(0.0005))
    collectgarbage()
    await(sleep(0))

    loop:set_exception_handler(function(_, context)
      assert(context.message)
    end)
    casync.create_task(function() error "lost again" end)
    loop:call_soon(function() error "in a callback" end)
    async(function() end)()
    await(sleep(0.0005))
    collectgarbage()
    await(sleep(0))
    loop:set_exception_handler(function() error "in the handler" end)
    loop:call_exception_handler {message = "hello"}

    local task = casync.create_task(function()
      await(casync.create_task(function() error "deep" end))
    end)
    local ok, err = pcall(await, task)
    if ok or not tostring(err):find "deep" then error(err, 0) end
    assert(task:traceback())
  end)
end
