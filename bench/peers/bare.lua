--- The workloads in bare Lua: the same steps by coroutine.create, resume and
-- yield, with no scheduler, no cancellation and no errors handled. This is
-- the floor, not a competitor.

local measure = dofile((arg[0]:match("^(.*/)") or "./") .. "../measure.lua")

local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield
local start, stop = measure.start, measure.stop

local workloads = {}

local function work(i) return i end

function workloads.switch(count)
  local turns = count // 10
  local function take_turns()
    for _ = 1, turns do yield() end
  end

  local tasks = {}
  start()
  for i = 1, 10 do tasks[i] = create(take_turns) end
  for _ = 1, turns do
    for i = 1, 10 do resume(tasks[i]) end
  end
  stop()
end

--- A plain call of a function.
function workloads.call(count)
  local sum = 0
  start()
  for i = 1, count do sum = sum + work(i) end
  stop()
  assert(sum == count * (count + 1) // 2)
end

for _, depth in ipairs {10, 100, 10000} do
  workloads["nest_" .. depth] = function(count)
    local function descend(n)
      if n == 0 then return 0 end
      return descend(n - 1) + 1
    end

    start()
    for _ = 1, count // depth do assert(descend(depth) == depth) end
    stop()
  end
end

function workloads.spawn_await(count)
  local sum = 0
  start()
  for i = 1, count do
    local _, value = resume(create(work), i)
    sum = sum + value
  end
  stop()
  assert(sum == count * (count + 1) // 2)
end

function workloads.spawn_gather(count)
  local tasks, results = {}, {}
  start()
  for i = 1, count do tasks[i] = create(work) end
  for i = 1, count do
    local _, value = resume(tasks[i], i)
    results[i] = value
  end
  stop()
  assert(#results == count and results[count] == count)
end

--- One coroutine makes a table and yields until another has filled it.
function workloads.future(count)
  local sum, future = 0, nil
  local setter = create(function()
    for i = 1, count do
      future.value = i
      yield()
    end
  end)
  local getter = create(function()
    for _ = 1, count do
      future = {}
      yield()
      sum = sum + future.value
    end
  end)
  start()
  for _ = 1, count do
    resume(getter)
    resume(setter)
  end
  resume(getter)
  stop()
  assert(sum == count * (count + 1) // 2)
end

--- Two coroutines hand a value to and fro through two tables.
function workloads.pingpong(count)
  local there, back, sum = {}, {}, 0
  local ping = create(function()
    for i = 1, count do
      there[1] = i
      while back[1] == nil do yield() end
      sum = sum + back[1]
      back[1] = nil
    end
  end)
  local pong = create(function()
    for _ = 1, count do
      while there[1] == nil do yield() end
      back[1] = there[1]
      there[1] = nil
    end
  end)
  start()
  while coroutine.status(ping) ~= "dead" do
    resume(ping)
    resume(pong)
  end
  stop()
  assert(sum == count * (count + 1) // 2)
end

--- Coroutines that stop once and go on once: nobody sleeps, so that its
-- seconds don't contain the 2 s that the others wait.
function workloads.million(count)
  local function sleeper(i) yield(1 + i / count) end

  local tasks = {}
  local base, begun = measure.resident(), os.clock()
  start()
  for i = 1, count do tasks[i] = create(sleeper) end
  for i = 1, count do resume(tasks[i], i) end
  for i = 1, count do resume(tasks[i]) end
  stop()
  print(("seconds=%.2f"):format(os.clock() - begun))
  measure.peak(base, count)
end

--- A suspended coroutine, and the place of one in a table.
function workloads.mem_sleeper(count)
  local tasks = {}
  measure.memory(count, function()
    for i = 1, count do
      tasks[i] = create(function() yield() end)
      resume(tasks[i])
    end
  end)
end

function workloads.start() measure.peak() end

measure.main(workloads)
