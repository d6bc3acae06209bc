-- Futures: done-callbacks, several who wait, errors, cancelling.

local casync = require "casync"
local await, sleep = casync.await, casync.sleep

return function(run)
  run(function()
    local loop = casync.get_running_loop()
    local sum = 0
    local future = loop:create_future()
    for _ = 1, 4 do
      future:add_done_callback(function(f) sum = sum + f:result() end)
    end
    local function removed() sum = 1000 end
    future:add_done_callback(removed)
    assert(future:remove_done_callback(removed) == 1)
    loop:call_soon(future.set_result, future, 2)
    local waiters = {}
    for i = 1, 3 do
      waiters[i] = casync.create_task(function() return await(future) end)
    end
    for i = 1, 3 do assert(await(waiters[i]) == 2) end
    await(sleep(0))
    assert(sum == 8)
    future:add_done_callback(function() sum = 100 end)
    await(sleep(0))
    await(sleep(0))
    assert(sum == 100)

    local failing = loop:create_future()
    failing:set_exception "oops"
    local ok, err = pcall(await, failing)
    if ok or not tostring(err):find "oops" then error(err, 0) end

    local cancelled = loop:create_future()
    cancelled:add_done_callback(function() sum = 5 end)
    cancelled:cancel "why"
    pcall(await, cancelled)
    await(sleep(0))
    assert(sum == 5)

    local many = loop:create_future()
    many:set_result(1, 2, 3)
    many:add_done_callback(function() error "in a callback" end)
    assert(select(3, await(many)) == 3)
    await(sleep(0))
    assert(tostring(many):find "Future")
  end)
end
