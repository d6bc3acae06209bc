--- The workloads on luv, libuv for Lua: a coroutine for each task, and the
-- few lines of glue that people write for it.

local measure = dofile((arg[0]:match("^(.*/)") or "./") .. "../measure.lua")
local uv = require "luv"

local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield
local running = coroutine.running
local start, stop = measure.start, measure.stop

function measure.now() return uv.hrtime() / 1e9 end

-- The glue: coroutines that are ready go on in the next turn of the loop.

local idle = uv.new_idle()
local ready, spare, n_ready = {}, {}, 0

local function go_on()
  local batch, n = ready, n_ready
  ready, spare, n_ready = spare, batch, 0
  for i = 1, n do
    local co = batch[i]
    batch[i] = false
    assert(resume(co))
  end
  if n_ready == 0 then idle:stop() end
end

local function wake(co)
  if n_ready == 0 then idle:start(go_on) end
  n_ready = n_ready + 1
  ready[n_ready] = co
end

--- Give the others a turn.
local function pass()
  wake(running())
  yield()
end

local function sleep(seconds)
  local co, timer = running(), uv.new_timer()
  timer:start(math.ceil(seconds * 1000), 0, function()
    timer:close()
    assert(resume(co))
  end)
  yield()
end

local function set(future, value)
  future.done, future.value = true, value
  if future.waiter then wake(future.waiter) end
end

local function get(future)
  if not future.done then
    future.waiter = running()
    yield()
  end
  return future.value
end

local function spawn(fn, i)
  local task = {}
  wake(create(function() set(task, fn(i)) end))
  return task
end

-- The workloads.

local workloads = {}

local function main(name, body)
  workloads[name] = function(count)
    spawn(body, count)
    uv.run()
  end
end

local function work(i) return i end

main("switch", function(count)
  local turns = count // 10
  local function take_turns()
    for _ = 1, turns do pass() end
  end

  local tasks = {}
  start()
  for i = 1, 10 do tasks[i] = spawn(take_turns) end
  for i = 1, 10 do get(tasks[i]) end
  stop()
end)

main("spawn_await", function(count)
  local sum = 0
  start()
  for i = 1, count do sum = sum + get(spawn(work, i)) end
  stop()
  assert(sum == count * (count + 1) // 2)
end)

main("spawn_gather", function(count)
  local tasks, results = {}, {}
  start()
  for i = 1, count do tasks[i] = spawn(work, i) end
  for i = 1, count do results[i] = get(tasks[i]) end
  stop()
  assert(#results == count and results[count] == count)
end)

main("future", function(count)
  local sum, future = 0, nil
  spawn(function()
    for i = 1, count do
      set(future, i)
      pass()
    end
  end)
  start()
  for _ = 1, count do
    future = {}
    sum = sum + get(future)
  end
  stop()
  assert(sum == count * (count + 1) // 2)
end)

--- A timer around a turn of the others.
main("timeout", function(count)
  local function expire() error("too late") end

  start()
  for _ = 1, count do
    local timer = uv.new_timer()
    timer:start(60000, 0, expire)
    pass()
    timer:close()
  end
  stop()
end)

main("timers", function(count)
  local fired, co = 0, running()
  start()
  for i = 1, count do
    local timer = uv.new_timer()
    timer:start(math.ceil(measure.scrambled(i, count)), 0, function()
      timer:close()
      fired = fired + 1
      if fired == count then wake(co) end
    end)
  end
  yield()
  stop()
end)

main("million", function(count)
  local ticker, ticking = measure.ticker(count), true
  spawn(function()
    while ticking do
      sleep(0.001)
      ticker.tick()
    end
  end)
  local function sleeper(i)
    ticker.asleep = ticker.asleep + 1
    sleep(1 + i / count)
  end

  local tasks = {}
  local base, begun = measure.resident(), measure.now()
  start()
  for i = 1, count do tasks[i] = spawn(sleeper, i) end
  ticker.made()
  for i = 1, count do get(tasks[i]) end
  stop()
  print(("seconds=%.2f"):format(measure.now() - begun))
  ticker.report()
  measure.peak(base, count)
  ticking = false
end)

main("mem_sleeper", function(count)
  measure.memory(count, function()
    for _ = 1, count do spawn(sleep, 3600) end
    pass()
    pass()
  end)
  os.exit(0)
end)

main("mem_timer", function(count)
  local function fire() end
  measure.memory(count, function()
    for _ = 1, count do uv.new_timer():start(3600000, 0, fire) end
  end)
  os.exit(0)
end)

main("mem_connection", function(count)
  local co, accepted = running(), 0
  local server, sockets = uv.new_tcp(), {}
  server:bind("127.0.0.1", 0)
  server:listen(128, function()
    local socket = uv.new_tcp()
    server:accept(socket)
    socket:read_start(function() end)
    sockets[#sockets + 1] = socket
    accepted = accepted + 1
    if accepted == count then wake(co) end
  end)
  local port = server:getsockname().port
  local function connect()
    local me, client = running(), uv.new_tcp()
    client:connect("127.0.0.1", port, function() wake(me) end)
    yield()
    sockets[#sockets + 1] = client
  end

  measure.memory(count, function()
    spawn(function()
      for _ = 1, count do connect() end
    end)
    yield()
  end)
  os.exit(0)
end)

function workloads.start() measure.peak() end

measure.main(workloads)
