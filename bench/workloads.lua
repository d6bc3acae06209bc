--- The workloads, written for casync.
--
--   lua5.4 bench/workloads.lua WORKLOAD COUNT [REPEATS]

local measure = dofile((arg[0]:match("^(.*/)") or "./") .. "measure.lua")
local heap = collectgarbage("count")
local casync = require "casync"
heap = collectgarbage("count") - heap

local async, await, sleep, create_task = casync.async, casync.await, casync.sleep, casync.create_task
local start, stop = measure.start, measure.stop

local workloads = {}

--- A workload whose function is the main task.
local function main(name, body)
  workloads[name] = function(count)
    casync.run(function()
      local loop = casync.get_running_loop()
      measure.now = function() return loop:time() end
      body(count, loop)
    end)
  end
end

local work = async(function(i) return i end)

main("switch", function(count)
  local turns = count // 10
  local function take_turns()
    for _ = 1, turns do await(sleep(0)) end
  end

  local tasks = {}
  start()
  for i = 1, 10 do tasks[i] = create_task(take_turns) end
  for i = 1, 10 do await(tasks[i]) end
  stop()
end)

main("call", function(count)
  local sum = 0
  start()
  for i = 1, count do sum = sum + await(work(i)) end
  stop()
  assert(sum == count * (count + 1) // 2)
end)

--- Calls of async functions within each other, `depth` deep.
local function nested(depth)
  main("nest_" .. depth, function(count)
    local descend
    descend = async(function(n)
      if n == 0 then return 0 end
      return await(descend(n - 1)) + 1
    end)

    start()
    for _ = 1, count // depth do assert(await(descend(depth)) == depth) end
    stop()
  end)
end

nested(10)
nested(100)
nested(10000)

main("spawn_await", function(count)
  local sum = 0
  start()
  for i = 1, count do sum = sum + await(create_task(work(i))) end
  stop()
  assert(sum == count * (count + 1) // 2)
end)

main("spawn_gather", function(count)
  local tasks = {}
  start()
  for i = 1, count do tasks[i] = create_task(work(i)) end
  local results = await(casync.gather(tasks))
  stop()
  assert(#results == count and results[count] == count)
end)

main("group", function(count)
  local sum = 0
  local function add(i) sum = sum + i end

  start()
  do
    local group <close> = casync.TaskGroup()
    for i = 1, count do group:create_task(add, i) end
  end
  stop()
  assert(sum == count * (count + 1) // 2)
end)

main("future", function(count, loop)
  local sum, future = 0, nil
  create_task(function()
    for i = 1, count do
      future:set_result(i)
      await(sleep(0))
    end
  end)
  start()
  for _ = 1, count do
    future = loop:create_future()
    sum = sum + await(future)
  end
  stop()
  assert(sum == count * (count + 1) // 2)
end)

main("pingpong", function(count)
  local there, back = casync.Queue(1), casync.Queue(1)
  local sum = 0
  start()
  local pong = create_task(function()
    for _ = 1, count do await(back:put(await(there:get()))) end
  end)
  for i = 1, count do
    await(there:put(i))
    sum = sum + await(back:get())
  end
  await(pong)
  stop()
  assert(sum == count * (count + 1) // 2)
end)

main("lock", function(count)
  local lock = casync.Lock()
  local turns, taken = count // 10, 0
  local function contend()
    for _ = 1, turns do
      await(lock:acquire())
      taken = taken + 1
      await(sleep(0))
      lock:release()
    end
  end

  local tasks = {}
  start()
  for i = 1, 10 do tasks[i] = create_task(contend) end
  for i = 1, 10 do await(tasks[i]) end
  stop()
  assert(taken == turns * 10)
end)

main("timeout", function(count)
  start()
  for _ = 1, count do
    local _ <close> = casync.timeout(60)
    await(sleep(0))
  end
  stop()
end)

main("timers", function(count, loop)
  local all, fired = loop:create_future(), 0
  local function fire()
    fired = fired + 1
    if fired == count then all:set_result(true) end
  end

  start()
  for i = 1, count do loop:call_later(measure.scrambled(i, count) / 1000, fire) end
  await(all)
  stop()
end)

main("cancel", function(count)
  local tasks = {}
  for i = 1, count do tasks[i] = create_task(sleep(3600)) end
  await(sleep(0))
  start()
  for i = 1, count do tasks[i]:cancel() end
  await(casync.gather(tasks, {return_exceptions = true}))
  stop()
  assert(tasks[1]:cancelled() and tasks[count]:cancelled())
end)

main("million", function(count, loop)
  local ticker = measure.ticker(count)
  local ticking = create_task(function()
    while true do
      await(sleep(0.001))
      ticker.tick()
    end
  end)
  local function sleeper(i)
    ticker.asleep = ticker.asleep + 1
    await(sleep(1 + i / count))
  end

  local tasks = {}
  local base, begun = measure.resident(), loop:time()
  start()
  for i = 1, count do tasks[i] = create_task(sleeper, i) end
  ticker.made()
  for i = 1, count do await(tasks[i]) end
  stop()
  print(("seconds=%.2f"):format(loop:time() - begun))
  ticker.report()
  measure.peak(base, count)
  ticking:cancel()
end)

main("mem_future", function(count, loop)
  local futures = table.move({}, 1, count, 1, {})
  measure.memory(count, function()
    for i = 1, count do futures[i] = loop:create_future() end
  end)
  for i = 1, count do futures[i]:cancel() end
end)

--- Tasks that wait, made of a function, and cancelled in the end.
local function waiting(count, wait)
  measure.memory(count, function()
    for _ = 1, count do create_task(wait) end
    await(sleep(0))
  end)
end

main("mem_sleeper", function(count)
  waiting(count, function() await(sleep(3600)) end)
end)

main("mem_lock", function(count)
  local lock = casync.Lock()
  await(lock:acquire())
  waiting(count, function() await(lock:acquire()) end)
end)

main("mem_timer", function(count, loop)
  local function fire() end
  measure.memory(count, function()
    for _ = 1, count do loop:call_later(3600, fire) end
  end)
end)

main("mem_connection", function(count)
  local server <close> = await(casync.start_server(function(stream)
    local _ <close> = stream
    await(stream:read(1))
  end, "127.0.0.1", 0))
  local host, port = server:sockets()[1]:getsockname()
  local clients = {}
  measure.memory(count, function()
    for i = 1, count do clients[i] = await(casync.open_connection(host, port)) end
    await(sleep(0.05))
  end)
  for i = 1, count do clients[i]:close() end
end)

function workloads.start()
  measure.peak()
  print(("heap_kb=%.0f"):format(heap))
end

measure.main(workloads)
