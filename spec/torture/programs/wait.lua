-- wait, as_completed, map.

local casync = require "casync"
local async, await, sleep = casync.async, casync.await, casync.sleep

local work = async(function(i)
  await(sleep(0.0002 * i))
  return i
end)

return function(run)
  run(function()
    local done, pending = await(casync.wait {work(1), work(2), work(3)})
    assert(#done == 3 and #pending == 0)
    await(casync.wait({work(1), work(9000)},
      {return_when = casync.FIRST_COMPLETED}))
    done, pending = await(casync.wait({work(1), work(9000)},
      {timeout = 0.002}))
    assert(#done + #pending == 2)
    for _, task in ipairs(pending) do task:cancel() end

    local n = 0
    for task in casync.as_completed {work(3), work(1), work(2)} do
      n = n + await(task)
    end
    assert(n == 6)
    local ok, err = pcall(function()
      for task in casync.as_completed({work(1), work(9000)},
          {timeout = 0.001}) do
        await(task)
      end
    end)
    if ok or not casync.TimeoutError:is(err) then error(err, 0) end

    for _, twice in casync.map(function(x)
      await(sleep(0))
      return 2 * x
    end, {1, 2, 3}, {concurrency = 2}) do
      n = n + twice
    end
    assert(n == 18)
  end)
end
