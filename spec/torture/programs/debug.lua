-- Debug mode: what is forgotten, slow or swallowed is reported.

local casync = require "casync"
local async, await, sleep = casync.async, casync.await, casync.sleep

return function(run)
  run(function()
    local loop = casync.get_running_loop()
    loop:set_debug(true)
    loop.slow_callback_duration = 0.0001
    await(casync.create_task(function() await(sleep(0.0003)) end))
    local swallows = casync.create_task(function() pcall(await, sleep(20)) end)
    await(sleep(0))
    swallows:cancel()
    await(swallows)
    loop:call_soon(function()
      local till = loop:time() + 0.0002
      repeat until loop:time() > till
    end)
    async(function() end)()     -- never awaited
    sleep(1)                    -- likewise
    await(sleep(0.0005))
    collectgarbage()
    await(sleep(0))
  end)
end
