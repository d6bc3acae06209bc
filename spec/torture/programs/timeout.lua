-- Limits on time, as awaitables and as scopes.

local casync = require "casync"
local async, await, sleep = casync.async, casync.await, casync.sleep

local work = async(function(i)
  await(sleep(0.0002 * i))
  return i
end)

local function timesout(fn, ...)
  local ok, err = pcall(fn, ...)
  if ok or not casync.TimeoutError:is(err) then error(err, 0) end
end

return function(run)
  run(function()
    assert(await(casync.wait_for(work(1), 20)) == 1)
    timesout(await, casync.wait_for(work(9000), 0.001))
    timesout(function()
      local _ <close> = casync.timeout(0.001)
      await(sleep(20))
    end)
    do
      local limit <close> = casync.timeout(10)
      await(sleep(0))
      limit:reschedule(casync.get_running_loop():time() + 20)
    end
    assert(not await(casync.move_on_after(0.001, function()
      await(sleep(20))
    end)))
    timesout(await, casync.with_timeout(0.001, function()
      local _ <close> = casync.timeout(10)
      await(casync.gather(work(9000), work(9000)))
    end))
  end)
end
