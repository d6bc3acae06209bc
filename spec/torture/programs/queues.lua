-- Queues of each kind: full, empty, joined, shut down, cancelled getters.

local casync = require "casync"
local await, sleep = casync.await, casync.sleep

local function pipeline(make)
  local queue, got = make(2), 0
  local putters, getters = {}, {}
  for i = 1, 2 do
    putters[i] = casync.create_task(function()
      for k = 1, 6 do await(queue:put(k)) end
    end)
    getters[i] = casync.create_task(function()
      for item in queue:iter() do
        got = got + item
        queue:task_done()
        await(sleep(0))
      end
    end)
  end
  for i = 1, 2 do await(putters[i]) end
  await(queue:join())
  queue:shutdown()
  for i = 1, 2 do await(getters[i]) end
  assert(got == 42)
end

local function rest(make)
  local queue = make()
  for i = 1, 40 do queue:put_nowait(41 - i) end
  for _ = 1, 40 do queue:get_nowait() end
  assert(not pcall(queue.get_nowait, queue))
  local function get() return await(queue:get()) end
  local first, second = casync.create_task(get), casync.create_task(get)
  await(sleep(0))
  queue:put_nowait(1)
  first:cancel()
  pcall(await, first)
  assert(await(second) == 1)
  assert(tostring(queue):find "Queue")
end

return function(run)
  run(function()
    for _, make in ipairs {casync.Queue, casync.PriorityQueue,
        casync.LifoQueue} do
      pipeline(make)
      rest(make)
    end
  end)
end
