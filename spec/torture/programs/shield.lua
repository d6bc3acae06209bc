-- Protection from cancellation.

local casync = require "casync"
local async, await, sleep = casync.async, casync.await, casync.sleep

local work = async(function(i)
  await(sleep(0.0002 * i))
  return i
end)

return function(run)
  run(function()
    assert(await(casync.shield(work(1))) == 1)

    local inner = casync.create_task(work(3))
    local outer = casync.create_task(function()
      return await(casync.shield(inner))
    end)
    await(sleep(0))
    outer:cancel()
    local ok, err = pcall(await, outer)
    if ok or not casync.CancelledError:is(err) then error(err, 0) end
    assert(await(inner) == 3)

    await(casync.shielded(function() await(sleep(0.0003)) end))
    local finished = false
    local task = casync.create_task(function()
      await(casync.shielded(function()
        await(sleep(0.0005))
        finished = true
      end))
      await(sleep(20))
    end)
    await(sleep(0))
    task:cancel "enough"
    ok, err = pcall(await, task)
    if ok or not casync.CancelledError:is(err) then error(err, 0) end
    assert(finished)
  end)
end
