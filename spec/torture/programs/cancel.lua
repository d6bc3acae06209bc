-- Cancelling: chains, branches, tasks that swallow it or have not begun.

local casync = require "casync"
local async, await, sleep = casync.async, casync.await, casync.sleep

local function chain(n)
  return casync.create_task(function()
    await(n == 0 and sleep(20) or chain(n - 1))
  end)
end

local function cancelled(awaitable)
  local ok, err = pcall(await, awaitable)
  if ok or not casync.CancelledError:is(err) then error(err, 0) end
end

local function turns(n)
  for _ = 1, n do await(sleep(0)) end
end

return function(run)
  run(function()
    local deep = chain(5)
    turns(8)
    deep:cancel "why"
    cancelled(deep)

    local wide = casync.create_task(function()
      local branches = {}
      for i = 1, 20 do branches[i] = chain(1) end
      await(casync.gather(branches))
    end)
    turns(4)
    wide:cancel()
    cancelled(wide)

    local stubborn = casync.create_task(function()
      cancelled(sleep(20))
      casync.current_task():uncancel()
      await(sleep(0.0003))
      return 7
    end)
    turns(1)
    stubborn:cancel()
    assert(await(stubborn) == 7)

    local unborn = casync.create_task(async(function() end)())
    unborn:cancel "message"
    cancelled(unborn)

    for _ = 1, 5 do     -- left to the end of run
      casync.create_task(function()
        local _, err = pcall(await, sleep(20))
        turns(1)
        error(err, 0)
      end)
    end
    turns(1)
  end)
end
