-- Coroutines inside of tasks that let an await pass; call graphs.

local casync = require "casync"
local await, sleep = casync.await, casync.sleep
local inner = casync.coroutine

return function(run)
  run(function()
    local next = inner.wrap(function(x)
      await(sleep(0))
      local y = coroutine.yield(x + 1)
      await(sleep(0.0003))
      return y + 1
    end)
    assert(next(1) == 2)
    assert(next(5) == 6)
    local ok, err = inner.resume(coroutine.create(function()
      await(sleep(0))
      error "inside"
    end))
    if ok or not tostring(err):find "inside" then error(err, 0) end

    local task = casync.create_task(function()
      inner.wrap(function() await(sleep(20)) end)()
    end)
    await(sleep(0))
    await(sleep(0))
    if task:done() then await(task) end         -- its error
    assert(task:get_coro() and task:get_stack())
    assert(casync.format_call_graph(task))
    task:cancel()
    ok, err = pcall(await, task)
    if ok or not casync.CancelledError:is(err) then error(err, 0) end
  end)
end
