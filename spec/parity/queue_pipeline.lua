-- Queues: a bounded pipeline, join, stealing, cancelled getters and putters.
local casync = require "casync"
local async, await = casync.async, casync.await

local log = {}

local function note(s) log[#log + 1] = tostring(s) end

local producer = async(function(queue, name, n)
  for i = 0, n - 1 do
    await(queue:put(name .. i))
    note("+" .. name .. i)
  end
end)

local consumer = async(function(queue, out)
  while true do
    local item = await(queue:get())
    await(casync.sleep(0))
    await(out:put(item:upper()))
    queue:task_done()
  end
end)

local function settle()
  for _ = 1, 10 do await(casync.sleep(0)) end
end

local function show(title)
  print(title .. ": " .. table.concat(log, " "))
  log = {}
end

casync.run(function()
  local first, second = casync.Queue(2), casync.Queue()
  local a = casync.create_task(producer(first, "a", 4))
  local b = casync.create_task(producer(first, "b", 4))
  local consumers = {}
  for i = 1, 3 do consumers[i] = casync.create_task(consumer(first, second)) end
  await(casync.gather(a, b))
  await(first:join())
  for _, c in ipairs(consumers) do c:cancel() end
  log = {}
  local items = {}
  for i = 1, second:qsize() do items[i] = second:get_nowait() end
  table.sort(items)
  print(("pipeline %s empty %s"):format(table.concat(items, " "), first:empty()))

  local queue = casync.Queue(2)
  for i = 0, 1 do casync.create_task(producer(queue, "p" .. i .. ".", 2)) end
  settle()
  show("full")
  note(("size %d full %s"):format(queue:qsize(), queue:full()))
  for _ = 1, 4 do
    note(queue:get_nowait())
    settle()
  end
  show("drained")

  local getter = async(function(name)
    local ok, item = pcall(await, queue:get())
    if ok then return note(name .. "=" .. item) end
    note(name .. " cancelled")
    error(item, 0)
  end)

  local getters = {}
  for i = 1, 3 do getters[i] = casync.create_task(getter("g" .. i - 1)) end
  settle()
  queue:put_nowait(1)
  getters[1]:cancel()
  settle()
  show("woken getter cancelled")
  getters[2]:cancel()
  queue:put_nowait(2)
  settle()
  show("getter after")
  await(casync.gather(getters, {return_exceptions = true}))
  note("left " .. queue:qsize())
  show("sizes")
  local ok, e = pcall(queue.get_nowait, queue)
  if not ok and casync.QueueEmpty:is(e) then print("get_nowait QueueEmpty") end
  ok, e = pcall(function()
    for i = 1, 5 do queue:put_nowait(i) end
  end)
  if not ok and casync.QueueFull:is(e) then print("put_nowait QueueFull after " .. queue:qsize()) end

  local late = casync.create_task(queue:put("late"))
  settle()
  late:cancel()
  settle()
  print(("putter cancelled %s size %d"):format(late:cancelled(), queue:qsize()))

  local work = casync.Queue()
  for i = 0, 2 do work:put_nowait(i) end
  local joiner = casync.create_task(work:join())
  for _ = 1, 3 do
    settle()
    note(("%d joined %s"):format(work:get_nowait(), joiner:done()))
    work:task_done()
  end
  await(joiner)
  show("join")
  if not pcall(work.task_done, work) then print("task_done too often is refused") end
  await(work:join())
  print("join of an empty queue returns")

  local stack, heap = casync.LifoQueue(), casync.PriorityQueue()
  for _, n in ipairs { 5, 1, 4, 2, 3 } do
    await(stack:put(n))
    await(heap:put(n))
  end
  for _, q in ipairs { stack, heap } do
    for _ = 1, 5 do note(await(q:get())) end
    show(q == stack and "lifo" or "priority")
  end
end)
