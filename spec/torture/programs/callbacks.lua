-- call_soon, call_later, call_at; more timers than fit at first.

local casync = require "casync"
local await, sleep = casync.await, casync.sleep

return function(run)
  run(function()
    local loop = casync.get_running_loop()
    local sum = 0
    local function add(k) sum = sum + k end
    for _ = 1, 3 do loop:call_soon(add, 1) end
    for i = 1, 3 do loop:call_later(0.0003 * i, add, 10) end
    loop:call_at(loop:time() + 0.0005, add, 100)
    local timer = loop:call_later(20, add, 1000)
    local soon = loop:call_soon(add, 1000)
    timer:cancel()
    soon:cancel()
    await(sleep(0.002))
    assert(sum == 133)
    assert(tostring(timer):find "cancelled")

    local timers = {}
    for i = 1, 70 do timers[i] = loop:call_later(20, add, i) end
    for i = 1, 70 do timers[i]:cancel() end
  end)
end
