--- The workloads on cqueues: its coroutines, conditions and promises.

local measure = dofile((arg[0]:match("^(.*/)") or "./") .. "../measure.lua")
local cqueues = require "cqueues"
local condition = require "cqueues.condition"
local promise = require "cqueues.promise"

local start, stop = measure.start, measure.stop
local sleep = cqueues.sleep

measure.now = cqueues.monotime

local workloads = {}

local function main(name, body)
  workloads[name] = function(count)
    local loop = cqueues.new()
    loop:wrap(body, count, loop)
    assert(loop:loop())
  end
end

local function work(i) return i end

main("switch", function(count)
  local turns = count // 10
  local function take_turns()
    for _ = 1, turns do sleep(0) end
  end

  local tasks = {}
  start()
  for i = 1, 10 do tasks[i] = promise.new(take_turns) end
  for i = 1, 10 do tasks[i]:get() end
  stop()
end)

main("spawn_await", function(count)
  local sum = 0
  start()
  for i = 1, count do sum = sum + promise.new(work, i):get() end
  stop()
  assert(sum == count * (count + 1) // 2)
end)

main("spawn_gather", function(count)
  local tasks, results = {}, {}
  start()
  for i = 1, count do tasks[i] = promise.new(work, i) end
  for i = 1, count do results[i] = tasks[i]:get() end
  stop()
  assert(#results == count and results[count] == count)
end)

--- A controller inside the controller ends when all in it have ended.
main("group", function(count)
  local sum = 0
  local function add(i) sum = sum + i end

  start()
  local group = cqueues.new()
  for i = 1, count do group:wrap(add, i) end
  assert(group:loop())
  stop()
  assert(sum == count * (count + 1) // 2)
end)

main("future", function(count, loop)
  local sum, future = 0, nil
  loop:wrap(function()
    for i = 1, count do
      while not future do sleep(0) end
      future:set(true, i)
      future = nil
      sleep(0)
    end
  end)
  start()
  for _ = 1, count do
    local this = promise.new()
    future = this
    sum = sum + this:get()
  end
  stop()
  assert(sum == count * (count + 1) // 2)
end)

--- A queue of one place: a condition for each direction.
local Queue = {}
Queue.__index = Queue

local function new_queue()
  return setmetatable({filled = condition.new(), taken = condition.new()}, Queue)
end

function Queue:put(item)
  while self.item ~= nil do self.taken:wait() end
  self.item = item
  self.filled:signal(1)
end

function Queue:get()
  while self.item == nil do self.filled:wait() end
  local item = self.item
  self.item = nil
  self.taken:signal(1)
  return item
end

main("pingpong", function(count, loop)
  local there, back = new_queue(), new_queue()
  local sum = 0
  loop:wrap(function()
    for _ = 1, count do back:put(there:get()) end
  end)
  start()
  for i = 1, count do
    there:put(i)
    sum = sum + back:get()
  end
  stop()
  assert(sum == count * (count + 1) // 2)
end)

main("lock", function(count)
  local held, released = false, condition.new()
  local turns, taken = count // 10, 0
  local function contend()
    for _ = 1, turns do
      while held do released:wait() end
      held = true
      taken = taken + 1
      sleep(0)
      held = false
      released:signal(1)
    end
  end

  local tasks = {}
  start()
  for i = 1, 10 do tasks[i] = promise.new(contend) end
  for i = 1, 10 do tasks[i]:get() end
  stop()
  assert(taken == turns * 10)
end)

main("million", function(count, loop)
  local ticker, ticking = measure.ticker(count), true
  loop:wrap(function()
    while ticking do
      sleep(0.001)
      ticker.tick()
    end
  end)
  local left, done = count, condition.new()
  local function sleeper(i)
    ticker.asleep = ticker.asleep + 1
    sleep(1 + i / count)
    left = left - 1
    if left == 0 then done:signal() end
  end

  local base, begun = measure.resident(), cqueues.monotime()
  start()
  for i = 1, count do loop:wrap(sleeper, i) end
  ticker.made()
  done:wait()
  stop()
  print(("seconds=%.2f"):format(cqueues.monotime() - begun))
  ticker.report()
  measure.peak(base, count)
  ticking = false
end)

main("mem_future", function(count)
  local futures = table.move({}, 1, count, 1, {})
  measure.memory(count, function()
    for i = 1, count do futures[i] = promise.new() end
  end)
end)

main("mem_sleeper", function(count, loop)
  measure.memory(count, function()
    for _ = 1, count do loop:wrap(sleep, 3600) end
    sleep(0)
    sleep(0)
  end)
  os.exit(0)
end)

main("mem_lock", function(count, loop)
  local released = condition.new()
  measure.memory(count, function()
    for _ = 1, count do loop:wrap(function() released:wait() end) end
    sleep(0)
    sleep(0)
  end)
  os.exit(0)
end)

function workloads.start() measure.peak() end

measure.main(workloads)
