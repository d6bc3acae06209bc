-- Context variables in tasks and callbacks.

local casync = require "casync"
local async, await, sleep = casync.async, casync.await, casync.sleep

return function(run)
  run(function()
    local loop = casync.get_running_loop()
    local var = casync.ContextVar("var", 1)
    local token = var:set(2)
    await(casync.create_task(function()
      assert(var:get() == 2)
      var:set(3)
      await(sleep(0))
      assert(var:get() == 3)
    end))
    assert(var:get() == 2)
    var:reset(token)
    assert(var:get() == 1)

    var:set(4)
    local seen
    loop:call_soon(function() seen = var:get() end)
    await(sleep(0))
    await(sleep(0))
    assert(seen == 4)
    local task = casync.create_task(async(function()
      return var:get()
    end)(), {context = casync.copy_context()})
    assert(await(task) == 4)
    local future = loop:create_future()
    future:add_done_callback(function() seen = var:get() + 1 end)
    future:set_result()
    await(sleep(0))
    assert(seen == 5)
  end)
end
