-- Lock, Semaphore, Event, Condition, Barrier; cancelled in the line.

local casync = require "casync"
local await, sleep = casync.await, casync.sleep

local function tasks(n, body)
  local list = {}
  for i = 1, n do list[i] = casync.create_task(body) end
  return list
end

local function all(list)
  await(casync.gather(list))    -- the error of any, at once
end

return function(run)
  run(function()
    local lock, semaphore, event =
      casync.Lock(), casync.Semaphore(2), casync.Event()
    local workers = tasks(4, function()
      do
        local _ <close> = await(lock:acquire_scoped())
        await(sleep(0))
      end
      await(lock:with(function() await(sleep(0)) end))
      local _ <close> = await(semaphore:acquire_scoped())
      await(event:wait())
      await(sleep(0.0003))
    end)
    await(sleep(0.0005))
    event:set()
    all(workers)
    assert(not lock:locked() and not semaphore:locked())

    local condition, ready = casync.Condition(), false
    local waiters = tasks(3, function()
      local _ <close> = await(condition:acquire_scoped())
      await(condition:wait_for(function() return ready end))
    end)
    await(sleep(0.0005))
    await(condition:with(function()
      ready = true
      condition:notify_all()
    end))
    all(waiters)

    local barrier = casync.Barrier(3)
    all(tasks(3, function() return await(barrier:wait()) end))

    local function pass() await(lock:with(function() end)) end
    local first, second
    do
      local _ <close> = await(lock:acquire_scoped())
      first, second = casync.create_task(pass), casync.create_task(pass)
      await(sleep(0))
    end
    first:cancel()
    pcall(await, first)
    await(second)
    assert(not lock:locked())
    assert(tostring(lock) and tostring(semaphore) and tostring(event))
  end)
end
