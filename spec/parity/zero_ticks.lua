-- What costs a turn of the loop and what does not.
local casync = require "casync"
local async, await = casync.async, casync.await

local ticks = 0

local clock = async(function()
  while true do
    ticks = ticks + 1
    await(casync.sleep(0))
  end
end)

local function cost(title, body)
  await(casync.sleep(0))
  local before = ticks
  body()
  print(title .. ": " .. ticks - before)
end

casync.run(function()
  local loop = casync.get_running_loop()
  casync.create_task(clock())
  local done = loop:create_future()
  done:set_result(1)
  local event = casync.Event()
  event:set()
  local lock, sem, queue = casync.Lock(), casync.Semaphore(1), casync.Queue()

  local await_done = async(function()
    for _ = 1, 5 do await(done) end
  end)

  cost("done future", function() await(await_done()) end)
  cost("coroutine", function()
    await(async(function() await(await_done()) end)())
  end)
  cost("sleep(0)", function() await(casync.sleep(0)) end)
  cost("sleep(0) thrice", function()
    for _ = 1, 3 do await(casync.sleep(0)) end
  end)
  cost("set event", function() await(event:wait()) end)
  cost("free lock", function() local _ <close> = await(lock:acquire_scoped()) end)
  cost("free semaphore", function() local _ <close> = await(sem:acquire_scoped()) end)
  cost("queue", function()
    await(queue:put(1))
    await(queue:get())
  end)
  cost("empty group", function() local _ <close> = casync.TaskGroup() end)
  cost("timeout", function()
    local _ <close> = casync.timeout(1)
    await(done)
  end)
end)
