-- Task groups: left in peace, by a failure, cancelled; start.

local casync = require "casync"
local async, await, sleep = casync.async, casync.await, casync.sleep

local work = async(function(i, fails)
  await(sleep(0.0002 * i))
  if fails then error "bad" end
  return i
end)

return function(run)
  run(function()
    local ended = 0
    do
      local group <close> = casync.TaskGroup()
      for i = 1, 3 do
        group:create_task(function()
          local n = await(work(i))
          ended = ended + n
        end)
      end
    end
    assert(ended == 6)

    local ok, err = pcall(function()
      local group <close> = casync.TaskGroup()
      group:create_task(work(1))
      group:create_task(work(2, true))
      group:create_task(work(90000))
      await(sleep(20))
    end)
    if ok or not casync.ExceptionGroup:is(err) then error(err, 0) end

    await(casync.task_group(function(group)
      assert(await(group:start(function(started)
        started(5)
        await(sleep(0.0002))
      end)) == 5)
      group:create_task(function() await(sleep(20)) end)
      group:cancel()
    end))
  end)
end
