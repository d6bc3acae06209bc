local casync = require "casync"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await
local raises, misuse, rounds, stop =
  helper.raises, helper.misuse, helper.rounds, helper.stop

local spawn = casync.create_task

local log

local function note(text)
  log[#log + 1] = text
end

-- A task that notes what it gets, as "name=item".
local function getter(queue, name)
  return spawn(function() note(name .. "=" .. tostring(await(queue:get()))) end)
end

-- A task that puts its own name.
local function putter(queue, name)
  return spawn(function()
    await(queue:put(name))
    note(name)
  end)
end

-- Several of them, waiting.
local function line(kind, queue, ...)
  local tasks = {}
  for i, name in ipairs {...} do tasks[i] = kind(queue, name) end
  settle()
  return table.unpack(tasks)
end

-- All that is in the queue, in order.
local function drain(queue)
  local items = {}
  while not queue:empty() do items[#items + 1] = queue:get_nowait() end
  return items
end

before_each(function() log = {} end)

describe("Queue", function()
  local queue

  before_each(function() queue = casync.Queue() end)

  it("gives items in the order they were put", async(function()
    for i = 1, 100 do await(queue:put(i)) end

    for i = 1, 100 do assert.equal(i, await(queue:get())) end
  end))

  it("keeps order while it grows and goes round", function()
    local nextput, nextget = 1, 1
    for round = 1, 40 do
      for _ = 1, round do
        queue:put_nowait(nextput)
        nextput = nextput + 1
      end
      for _ = 1, round // 2 do
        assert.equal(nextget, queue:get_nowait())
        nextget = nextget + 1
      end
    end

    assert.equal(nextput - nextget, queue:qsize())
    while nextget < nextput do
      assert.equal(nextget, queue:get_nowait())
      nextget = nextget + 1
    end
  end)

  it("is put and got at once when there is no need to wait", async(function()
    local other = spawn(note, "other")

    await(queue:put("x"))
    await(queue:get())

    assert.same({}, log)
    await(other)
  end))

  it("counts", async(function()
    queue = casync.Queue(2)
    assert.is_true(queue:empty())
    assert.is_false(queue:full())

    queue:put_nowait("a")
    queue:put_nowait("b")

    assert.equal(2, queue:qsize())
    assert.is_false(queue:empty())
    assert.is_true(queue:full())
  end))

  it("keeps nil and false", async(function()
    await(queue:put(nil))
    queue:put_nowait(false)
    queue:put_nowait(nil)

    assert.equal(3, queue:qsize())
    assert.is_nil(await(queue:get()))
    assert.is_false(queue:get_nowait())
    assert.is_nil(queue:get_nowait())
    assert.is_true(queue:empty())
  end))

  it("keeps an item alive, and lets it go", function()
    local weak = setmetatable({}, {__mode = "v"})
    weak[1] = {}
    queue:put_nowait(weak[1])

    collectgarbage()
    assert.truthy(weak[1])
    queue:get_nowait()
    collectgarbage()
    collectgarbage()

    assert.is_nil(weak[1])
  end)

  it("raises when it is empty or full", function()
    queue = casync.Queue(1)

    local err = raises(casync.QueueEmpty, queue.get_nowait, queue)
    assert.equal("QueueEmpty: the queue is empty", tostring(err))
    queue:put_nowait(1)
    raises(casync.QueueFull, queue.put_nowait, queue, 2)

    assert.equal(1, queue:get_nowait())
  end)

  it("has a limit that is any number", function()
    for limit, n in pairs {[1] = 1, [3] = 3, [1.3] = 2, [2.0] = 2} do
      queue = casync.Queue(limit)
      for i = 1, n do queue:put_nowait(i) end
      assert.is_true(queue:full())
      assert.equal(limit, queue.maxsize)
    end
    for _, limit in ipairs {0, -1, -0.5, math.huge, -math.huge} do
      queue = casync.Queue(limit)
      for i = 1, 100 do queue:put_nowait(i) end
      assert.is_false(queue:full())
    end
    assert.equal(0, casync.Queue().maxsize)
  end)

  it("serves getters in order of arrival", async(function()
    line(getter, queue, "a", "b", "c")

    for i = 1, 3 do queue:put_nowait(i) end
    settle()

    assert.same({"a=1", "b=2", "c=3"}, log)
  end))

  it("serves putters in order of arrival", async(function()
    queue = casync.Queue(1)
    queue:put_nowait("first")
    line(putter, queue, "a", "b", "c")

    local items = {}
    for i = 1, 4 do
      items[i] = await(queue:get())
      settle()
    end

    assert.same({"first", "a", "b", "c"}, items)
    assert.same({"a", "b", "c"}, log)
  end))

  it("wakes in the next round", async(function()
    queue = casync.Queue(1)
    local a = line(getter, queue, "a")
    queue:put_nowait(1)
    assert.equal(1, rounds(a))

    queue:put_nowait(1)
    local b = line(putter, queue, "b")
    queue:get_nowait()
    assert.equal(1, rounds(b))
  end))

  it("forgets a getter that was cancelled while it waited", async(function()
    local a = line(getter, queue, "a", "b")

    a:cancel()
    queue:put_nowait(1)
    settle()

    assert.is_true(a:cancelled())
    assert.same({"b=1"}, log)
  end))

  it("forgets a putter that was cancelled while it waited", async(function()
    queue = casync.Queue(1)
    queue:put_nowait("first")
    local a = line(putter, queue, "a", "b")

    a:cancel()
    queue:get_nowait()
    settle()

    assert.is_true(a:cancelled())
    assert.same({"b"}, drain(queue))
  end))

  it("gives the turn of a getter cancelled in that round to the next",
      async(function()
    local a, b = line(getter, queue, "a", "b", "c")

    queue:put_nowait(1)
    stop(a, b)

    assert.is_true(a:cancelled())
    assert.same({"c=1"}, log)
    assert.is_true(queue:empty())
  end))

  it("keeps the item when all getters are cancelled in that round",
      async(function()
    local a, b = line(getter, queue, "a", "b")

    queue:put_nowait(1)
    queue:put_nowait(2)
    stop(a, b)

    assert.same({1, 2}, drain(queue))
  end))

  it("gives the turn of a putter cancelled in that round to the next",
      async(function()
    queue = casync.Queue(1)
    queue:put_nowait("first")
    local a, b = line(putter, queue, "a", "b", "c")

    queue:get_nowait()
    stop(a, b)

    assert.is_true(a:cancelled())
    assert.same({"c"}, drain(queue))
  end))

  it("raises the time-out of who waits", async(function()
    queue = casync.Queue(1)

    raises(casync.TimeoutError, await, casync.wait_for(queue:get(), 0))
    queue:put_nowait(1)
    raises(casync.TimeoutError, await, casync.wait_for(queue:put(2), 0))

    assert.equal(1, queue:get_nowait())
    assert.equal("<Queue maxsize=1 tasks=1>", tostring(queue))
  end))

  it("cannot be waited for outside a task", function()
    local get, put, join = queue:get(), queue:put(1), queue:join()

    misuse("outside a task", function() await(get) end)
    misuse("outside a task", function() await(put) end)
    misuse("outside a task", function() await(join) end)
    assert.is_true(queue:empty())
  end)

  it("does nothing before it is awaited", async(function()
    queue:put_nowait(1)

    local get, put = queue:get(), queue:put(2)
    settle()

    assert.equal(1, queue:qsize())
    assert.equal(1, await(get))
    await(put)
    assert.equal(2, queue:get_nowait())
  end))

  it("tells wrong arguments", function()
    misuse("number expected", casync.Queue, "3")
    misuse("number expected", casync.Queue, {})
    misuse("NaN", casync.Queue, 0 / 0)
    misuse("value expected", queue.put, queue)
    misuse("value expected", queue.put_nowait, queue)
    misuse("Queue expected", queue.get)
    misuse("Queue expected", queue.get, casync.Lock())
    misuse("function expected", casync.PriorityQueue, 0, "less")
    assert.is_nil(queue.unknown)
  end)

  it("shows its state", async(function()
    queue = casync.Queue(2)
    assert.equal("<Queue maxsize=2>", tostring(queue))
    local a, b = line(getter, queue, "a", "b")
    assert.equal("<Queue maxsize=2 _getters[2]>", tostring(queue))
    stop(a, b)
    queue:put_nowait(1)
    queue:put_nowait(2)
    local c = line(putter, queue, "c")
    assert.equal("<Queue maxsize=2 _queue[2] _putters[1] tasks=2>",
      tostring(queue))
    stop(c)
    assert.equal("<LifoQueue maxsize=0>", tostring(casync.LifoQueue()))
    assert.equal("<PriorityQueue maxsize=1.5>",
      tostring(casync.PriorityQueue(1.5)))
  end))

  it("refuses a task of another loop while one waits", function()
    local first, second = casync.Runner(), casync.Runner()
    first:run(function() line(getter, queue, "a") end)

    misuse("<Queue maxsize=0 _getters%[1%]> is bound to a different event loop",
      second.run, second, function() await(queue:get()) end)

    second:close()
    first:close()
  end)

  it("serves a hundred thousand getters", async(60, function()
    local n, sum = helper.gc and 2000 or 100000, 0
    for _ = 1, n do
      spawn(function()
        local item = await(queue:get())
        sum = sum + item
      end)
    end
    settle()

    for i = 1, n do queue:put_nowait(i) end
    settle()

    assert.equal(n * (n + 1) // 2, sum)
  end))
end)

describe("The turn in a queue", function()
  it("is a getter's, though another comes for the item", async(function()
    local queue = casync.Queue()
    line(getter, queue, "waiter")

    queue:put_nowait(1)
    local barger = getter(queue, "barger")
    settle()

    assert.same({"waiter=1"}, log)
    assert.is_false(barger:done())
    queue:put_nowait(2)
    settle()
    assert.same({"waiter=1", "barger=2"}, log)
  end))

  it("is a putter's, though another comes for the slot", async(function()
    local queue = casync.Queue(1)
    queue:put_nowait("first")
    line(putter, queue, "waiter")

    queue:get_nowait()
    await(queue:put("barger"), spawn(function()
      await(casync.sleep(0))
      await(casync.sleep(0))
      note("got " .. queue:get_nowait())
    end))

    assert.same({"waiter", "got waiter"}, log)
    assert.same({"barger"}, drain(queue))
  end))

  it("leaves the item in the queue until the getter runs", async(function()
    local queue = casync.PriorityQueue()
    line(getter, queue, "a")

    queue:put_nowait(5)
    assert.equal(1, queue:qsize())
    queue:put_nowait(3)
    settle()

    assert.same({"a=3"}, log)
    assert.same({5}, drain(queue))
  end))

  it("can be robbed of a getter by get_nowait, who keeps its place",
      async(function()
    local queue = casync.Queue()
    line(getter, queue, "a", "b")

    queue:put_nowait(1)
    assert.equal(1, queue:get_nowait())
    settle()
    assert.same({}, log)
    line(getter, queue, "c")
    for i = 2, 4 do
      queue:put_nowait(i)
      settle()
    end

    assert.same({"a=2", "b=3", "c=4"}, log)
  end))

  it("can be robbed of a putter by put_nowait, who keeps its place",
      async(function()
    local queue = casync.Queue(1)
    queue:put_nowait("first")
    line(putter, queue, "a", "b")

    queue:get_nowait()
    queue:put_nowait("robber")
    settle()
    assert.same({}, log)
    line(putter, queue, "c")
    for _ = 1, 3 do
      queue:get_nowait()
      settle()
    end

    assert.same({"a", "b", "c"}, log)
  end))

  it("is kept in order when many are robbed", async(function()
    local queue = casync.Queue()
    line(getter, queue, "a", "b", "c", "d", "e")

    for _ = 1, 3 do queue:put_nowait("stolen") end
    drain(queue)
    settle()
    for i = 1, 5 do queue:put_nowait(i) end
    settle()

    assert.same({"a=1", "b=2", "c=3", "d=4", "e=5"}, log)
  end))

  it("goes to the first of the robbed when an item comes while a later one"
      .. " has yet to run", async(function()
    local queue = casync.Queue()
    line(getter, queue, "a", "b")

    queue:put_nowait("stolen")
    casync.get_running_loop():call_soon(function()
      assert.same({}, log)
      queue:put_nowait("late")          -- 'a' has run, 'b' is to run next
    end)
    queue:put_nowait("stolen")
    drain(queue)
    settle()
    queue:put_nowait("later")
    settle()

    assert.same({"a=late", "b=later"}, log)
  end))

  it("passes on when the robbed one is cancelled", async(function()
    local queue = casync.Queue()
    local a = line(getter, queue, "a", "b")

    queue:put_nowait(1)
    queue:get_nowait()
    settle()
    stop(a)
    queue:put_nowait(2)
    settle()

    assert.is_true(a:cancelled())
    assert.same({"b=2"}, log)
  end))

  it("can be robbed again and again", async(function()
    local queue = casync.Queue()
    local a = line(getter, queue, "a")

    for i = 1, 5 do
      queue:put_nowait(i)
      queue:get_nowait()
      settle()
    end
    assert.is_false(a:done())
    queue:put_nowait("at last")
    settle()

    assert.same({"a=at last"}, log)
  end))

  -- Random steps against a model that knows the order of arrival only. What
  -- must hold: items are neither lost nor doubled nor reordered, and getters
  -- that nobody robs are served in order of arrival.
  for seed = 1, 20 do
    it("loses and doubles nothing, whatever happens (seed " .. seed .. ")",
        async(function()
      local rng = seed * 7919
      local function random(n)
        rng = (rng * 1103515245 + 12345) % 2147483648
        return rng // 65536 % n + 1
      end
      local queue = casync.Queue(random(3) - 1 + random(2))
      local put, got, getters, putters = {}, {}, {}, {}
      local nitems = 0

      for _ = 1, 300 do
        local step = random(8)
        if step <= 2 then
          getters[#getters + 1] = spawn(function()
            got[await(queue:get())] = true
          end)
        elseif step <= 4 then
          nitems = nitems + 1
          local item = nitems
          putters[#putters + 1] = spawn(function()
            await(queue:put(item))
            put[item] = true
          end)
        elseif step == 5 and not queue:empty() then
          local item = queue:get_nowait()
          assert.is_nil(got[item])
          got[item] = true
        elseif step == 6 and not queue:full() then
          nitems = nitems + 1
          queue:put_nowait(nitems)
          put[nitems] = true
        elseif step == 7 then
          local list = random(2) == 1 and getters or putters
          if #list > 0 then list[random(#list)]:cancel() end
        else
          await(casync.sleep(0))
        end
      end
      settle()

      -- Nobody waits for what is there.
      local text = tostring(queue)
      assert.is_true(queue:empty() or not text:find "_getters", text)
      assert.is_true(queue:full() or not text:find "_putters", text)
      while not queue:empty() do
        got[queue:get_nowait()] = true
        settle()
      end
      assert.same(put, got)
      stop(table.unpack(getters))
      stop(table.unpack(putters))
    end))
  end
end)

describe("LifoQueue", function()
  it("gives the latest item first", async(function()
    local queue = casync.LifoQueue()
    for i = 1, 20 do await(queue:put(i)) end

    assert.equal(20, await(queue:get()))
    queue:put_nowait(21)
    assert.equal(21, queue:get_nowait())
    assert.equal(19, queue:get_nowait())
    assert.equal(18, queue:qsize())
  end))
end)

describe("PriorityQueue", function()
  it("gives the smallest item first", async(function()
    local queue = casync.PriorityQueue()
    local items, rng = {}, 1
    for i = 1, 500 do
      rng = rng * 16807 % 2147483647
      items[i] = rng % 100
      await(queue:put(items[i]))
    end

    table.sort(items)

    for i = 1, 500 do assert.equal(items[i], await(queue:get())) end
  end))

  it("gives equal items in order of arrival", function()
    local queue = casync.PriorityQueue()
    for i = 1, 100 do queue:put_nowait {i % 3, i} end

    local last = {0, 0}
    for _ = 1, 100 do
      local item = queue:get_nowait()
      assert.is_true(item[1] > last[1] or
                     item[1] == last[1] and item[2] > last[2])
      last = item
    end
  end)

  it("compares tables that cannot compare themselves by their first element",
      function()
    local queue = casync.PriorityQueue()
    for _, item in ipairs {{2, "b"}, {1, "a"}, {3, "c"}} do
      queue:put_nowait(item)
    end

    assert.equal("a", queue:get_nowait()[2])
    assert.equal("b", queue:get_nowait()[2])
    assert.equal("c", queue:get_nowait()[2])
  end)

  it("compares items with __lt by it", function()
    local queue = casync.PriorityQueue()
    local meta = {__lt = function(a, b) return a.weight < b.weight end}
    for _, weight in ipairs {2, 3, 1} do
      queue:put_nowait(setmetatable({weight = weight}, meta))
    end

    assert.equal(1, queue:get_nowait().weight)
    assert.equal(2, queue:get_nowait().weight)
  end)

  it("takes a function that compares", function()
    local queue = casync.PriorityQueue(0, function(a, b) return #a > #b end)
    for _, item in ipairs {"a", "ccc", "bb", "aaa"} do queue:put_nowait(item) end

    assert.same({"ccc", "aaa", "bb", "a"}, drain(queue))
  end)

  it("survives a function that compares without sense", function()
    local queue = casync.PriorityQueue(0, function() return true end)
    for i = 1, 50 do queue:put_nowait(i) end

    local items = drain(queue)

    table.sort(items)
    for i = 1, 50 do assert.equal(i, items[i]) end
    assert.equal(50, #items)
  end)

  it("is as it was when a comparison raises", function()
    local broken = false
    local queue = casync.PriorityQueue(0, function(a, b)
      if broken then error(broken, 0) end
      return a < b
    end)
    for _, item in ipairs {5, 3, 4, 1, 2} do queue:put_nowait(item) end

    broken = {}
    assert.equal(broken, select(2, pcall(queue.put_nowait, queue, 0)))
    assert.equal(broken, select(2, pcall(queue.get_nowait, queue)))
    broken = false

    assert.same({1, 2, 3, 4, 5}, drain(queue))
  end)

  it("raises for items that cannot be compared, and keeps the others",
      async(function()
    local queue = casync.PriorityQueue()
    queue:put_nowait(1)

    misuse("attempt to compare", queue.put_nowait, queue, "x")
    misuse("attempt to compare", await, queue:put({}))
    misuse("attempt to compare", await, queue:put(nil))

    assert.equal(1, queue:qsize())
    assert.equal("<PriorityQueue maxsize=0 _queue[1] tasks=1>",
      tostring(queue))
  end))

  it("passes the turn on when a putter's comparison raises", async(function()
    local queue = casync.PriorityQueue(2)
    queue:put_nowait(1)
    queue:put_nowait(2)
    local bad = spawn(queue:put("not a number"))
    settle()
    local good = spawn(queue:put(3))
    settle()

    queue:get_nowait()
    settle()

    misuse("attempt to compare", await, bad)
    assert.is_true(good:done())
    assert.same({2, 3}, drain(queue))
  end))

  it("passes the turn on when a getter's comparison raises", async(function()
    local broken = false
    local queue = casync.PriorityQueue(0, function(a, b)
      if broken then
        broken = false
        error("broken", 0)
      end
      return a < b
    end)
    local bad = spawn(queue:get())
    settle()
    local good = getter(queue, "good")
    settle()

    for i = 1, 3 do queue:put_nowait(i) end
    -- Two are handed a turn; the first one fails, and its item is left.
    broken = true
    settle()

    misuse("broken", await, bad)
    assert.is_true(good:done())
    assert.same({"good=1"}, log)
    assert.same({2, 3}, drain(queue))
  end))

  it("refuses a comparison that changes the queue", function()
    local queue, meddle
    queue = casync.PriorityQueue(0, function(a, b)
      if meddle then
        meddle = false
        queue:get_nowait()
      end
      return a < b
    end)
    for i = 1, 5 do queue:put_nowait(i) end

    meddle = true
    misuse("a comparison must not use its queue", queue.put_nowait, queue, 0)

    assert.same({2, 3, 4, 5}, drain(queue))
  end)

  it("says that a comparison cannot await", async(function()
    local queue = casync.PriorityQueue(0, function(a, b)
      await(casync.sleep(0))
      return a < b
    end)
    queue:put_nowait(1)

    misuse("cannot await", queue.put_nowait, queue, 2)

    assert.same({1}, drain(queue))
  end))
end)

describe("Queue:join", function()
  local queue

  before_each(function() queue = casync.Queue() end)

  it("does not wait when nothing was put", async(function()
    local other = spawn(note, "other")

    await(queue:join())

    assert.same({}, log)
    await(other)
  end))

  it("waits until each item is done", async(function()
    queue:put_nowait(1)
    queue:put_nowait(2)
    local joiner = spawn(queue:join())
    settle()

    drain(queue)
    settle()
    queue:task_done()
    settle()
    assert.is_false(joiner:done())
    queue:task_done()

    assert.equal(1, rounds(joiner))
  end))

  it("can be cancelled", async(function()
    queue:put_nowait(1)
    local joiner = spawn(queue:join())
    settle()

    stop(joiner)
    queue:task_done()

    assert.is_true(joiner:cancelled())
    await(queue:join())
  end))

  it("can be cancelled in the round in which all is done", async(function()
    queue:put_nowait(1)
    local joiner = spawn(queue:join())
    settle()

    queue:task_done()
    stop(joiner)

    assert.is_true(joiner:cancelled())
  end))

  it("sees each item done once", function()
    queue:put_nowait(1)
    queue:task_done()

    misuse("queues_spec%.lua:%d+: task_done%(%) called too many times$",
      function() queue:task_done() end)
  end)
end)

describe("Queue:shutdown", function()
  local queue

  before_each(function() queue = casync.Queue() end)

  it("refuses puts, and gets once it is empty", async(function()
    queue:put_nowait(1)

    queue:shutdown()

    local err = raises(casync.QueueShutDown, queue.put_nowait, queue, 2)
    assert.equal("QueueShutDown: the queue has been shut down", tostring(err))
    raises(casync.QueueShutDown, await, queue:put(2))
    assert.equal(1, await(queue:get()))
    raises(casync.QueueShutDown, await, queue:get())
    raises(casync.QueueShutDown, queue.get_nowait, queue)
  end))

  it("wakes getters", async(function()
    local a, b = line(getter, queue, "a", "b")

    queue:shutdown()
    assert.equal(1, rounds(a))

    raises(casync.QueueShutDown, await, a)
    raises(casync.QueueShutDown, await, b)
  end))

  it("wakes putters", async(function()
    queue = casync.Queue(1)
    queue:put_nowait(1)
    local a, b = line(putter, queue, "a", "b")

    queue:shutdown()
    assert.equal(1, rounds(a))

    raises(casync.QueueShutDown, await, a)
    raises(casync.QueueShutDown, await, b)
    assert.same({1}, drain(queue))
  end))

  it("leaves the item to a getter that has its turn", async(function()
    local a, b = line(getter, queue, "a", "b")

    queue:put_nowait(1)
    queue:shutdown()
    settle()

    assert.is_true(a:done())
    assert.same({"a=1"}, log)
    raises(casync.QueueShutDown, await, b)
  end))

  it("refuses a putter that has its turn", async(function()
    queue = casync.Queue(1)
    queue:put_nowait(1)
    local a = line(putter, queue, "a")

    queue:get_nowait()
    queue:shutdown()

    raises(casync.QueueShutDown, await, a)
    assert.is_true(queue:empty())
  end))

  it("lets the last item to who comes, when the one with the turn is cancelled",
      async(function()
    local a = line(getter, queue, "a")
    queue:put_nowait(1)
    queue:shutdown()
    local b, c = getter(queue, "b"), getter(queue, "c")

    a:cancel()
    settle()

    assert.is_true(a:cancelled())
    assert.is_true(b:done())
    assert.same({"b=1"}, log)
    raises(casync.QueueShutDown, await, c)
  end))

  it("lets a cancellation win in the round of the wake-up", async(function()
    local a = line(getter, queue, "a")

    queue:shutdown()
    stop(a)

    assert.is_true(a:cancelled())
  end))

  it("drops what is there when immediate, and counts it as done",
      async(function()
    for i = 1, 3 do queue:put_nowait(i) end
    queue:get_nowait()
    local joiner = spawn(queue:join())
    settle()

    queue:shutdown(true)
    settle()

    assert.is_true(queue:empty())
    assert.is_false(joiner:done())
    queue:task_done()
    settle()
    assert.is_true(joiner:done())
  end))

  it("ends a join when immediate and nothing is under way", async(function()
    queue:put_nowait(1)
    local joiner = spawn(queue:join())
    settle()

    queue:shutdown(true)

    assert.equal(1, rounds(joiner))
  end))

  it("can be done twice", async(function()
    queue:put_nowait(1)

    queue:shutdown()
    queue:shutdown()
    assert.equal(1, queue:qsize())
    queue:shutdown(true)

    assert.equal(0, queue:qsize())
    raises(casync.QueueShutDown, queue.get_nowait, queue)
  end))
end)

describe("Queue:iter", function()
  it("gives each item until the queue is shut down", async(function()
    local queue, seen = casync.Queue(2), {}
    local producer = spawn(function()
      for i = 1, 10 do await(queue:put(i)) end
      queue:shutdown()
    end)

    for item in queue:iter() do seen[#seen + 1] = item end

    assert.same({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, seen)
    await(producer)
  end))

  it("ends at nil", async(function()
    local queue, n = casync.Queue(), 0
    queue:put_nowait("a")
    queue:put_nowait(nil)
    queue:put_nowait("b")

    for _ in queue:iter() do n = n + 1 end

    assert.equal(1, n)
    assert.equal(1, queue:qsize())
  end))

  it("gives false as an item", async(function()
    local queue, n = casync.Queue(), 0
    queue:put_nowait(false)
    queue:shutdown()

    for item in queue:iter() do
      assert.is_false(item)
      n = n + 1
    end

    assert.equal(1, n)
  end))

  it("can be shared by several tasks", async(function()
    local queue, sum = casync.Queue(), 0
    local workers = {}
    for i = 1, 3 do
      workers[i] = spawn(function()
        for item in queue:iter() do
          sum = sum + item
          await(casync.sleep(0))
        end
      end)
    end

    for i = 1, 100 do queue:put_nowait(i) end
    queue:shutdown()
    for _, worker in ipairs(workers) do await(worker) end

    assert.equal(5050, sum)
  end))

  it("raises the cancellation of its task", async(function()
    local queue = casync.Queue()
    local task = spawn(function()
      for _ in queue:iter() do note "item" end
      note "end"
    end)
    settle()

    stop(task)

    assert.is_true(task:cancelled())
    assert.same({}, log)
  end))
end)

describe("Queue.iter", function()
  it("must be called as a method", function()
    helper.misuse("'iter' %(Queue expected, got nil%): call it as queue:iter",
      casync.Queue().iter)
  end)
end)
