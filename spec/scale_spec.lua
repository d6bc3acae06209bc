-- Sizes at which recursion, quadratic time or leaks would show.

local casync = require "casync"
local core = require "casync.core"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await
local sleep = casync.sleep
local iscancelled, newfuture =
  helper.iscancelled, helper.newfuture

describe("At scale", function()
  it("two million small steps take no memory #slow", async(60, function()
    local function steps()
      for _ = 1, 20000 do await(sleep(0)) end
    end
    local tasks = {}
    for i = 1, 100 do tasks[i] = casync.create_task(steps) end
    for _ = 1, 10 do await(sleep(0)) end
    collectgarbage()
    local before = collectgarbage("count")

    for _, task in ipairs(tasks) do await(task) end

    collectgarbage()
    assert.is_true(collectgarbage("count") < before + 100)
  end))

  it("a hundred thousand tasks, one after the other, take no memory",
    async(30, function()
      local function work() return 1 end
      for _ = 1, 1000 do await(casync.create_task(work)) end
      collectgarbage()
      local before = collectgarbage("count")

      for _ = 1, 100000 do await(casync.create_task(work)) end

      collectgarbage()
      assert.is_true(collectgarbage("count") < before + 100)
    end))

  it("tasks that have not begun hold no coroutine", async(function()
    local work = casync.async(function(i) return i end)
    collectgarbage()
    local before = collectgarbage("count")
    local tasks = {}

    for i = 1, 10000 do tasks[i] = casync.create_task(work(i)) end

    collectgarbage()
    local bytes = (collectgarbage("count") - before) * 1024 / #tasks
    assert.is_true(bytes < 600)
    local results = await(casync.gather(tasks))
    assert.same({1, 10000}, {results[1], results[10000]})
  end))

  it("a hundred thousand tasks wait for one future #slow",
    async(60, function()
      local future = newfuture()
      local woken, last = 0, 0
      local function wait(i)
        await(future)
        woken = woken + 1
        assert(last == i - 1)
        last = i
      end
      local tasks = {}
      for i = 1, 100000 do tasks[i] = casync.create_task(wait, i) end
      await(sleep(0))
      future:set_result()

      await(tasks[#tasks])

      assert.equal(100000, woken)
    end))

  it("a hundred thousand timers are cancelled in any order",
    async(30, function()
      local loop = casync.get_running_loop()
      local before = core.census(loop).timers
      local handles = {}
      for i = 1, 100000 do
        handles[i] = loop:call_later(3600 + i * 7919 % 1000, print)
      end
      for i = #handles, 2, -1 do
        local j = i * 31 % i + 1
        handles[i], handles[j] = handles[j], handles[i]
      end

      for _, handle in ipairs(handles) do handle:cancel() end

      assert.equal(before, core.census(loop).timers)
      assert.equal(0, core.census(loop).ready)
    end))

  it("a chain of tasks is cancelled from the top", async(30, function()
    local n = 20000
    local tasks = {}
    for i = 1, n do
      tasks[i] = casync.create_task(function()
        if i == 1 then await(sleep(3600)) end
        await(tasks[i - 1])
      end)
    end
    await(sleep(0))
    tasks[n]:cancel("top")

    local ok, err = pcall(await, tasks[n])

    assert.is_false(ok)
    assert.is_true(iscancelled(err))
    assert.equal("top", err.message)
    for i = 1, n, 1000 do assert.is_true(tasks[i]:cancelled()) end
  end))

  it("a chain of gathers is cancelled from the top", async(30, function()
    local n = 20000
    local last = casync.create_task(function() await(sleep(3600)) end)
    local first = last
    for _ = 1, n do last = casync.gather(last) end
    await(sleep(0))
    assert.is_true(last:cancel("top"))

    local ok, err = pcall(await, last)

    assert.is_false(ok)
    assert.is_true(iscancelled(err))
    assert.is_true(first:cancelled())
  end))

  it("a chain of tasks and gathers is cancelled from the top",
    async(30, function()
      local n = 10000
      local tasks = {}
      for i = 1, n do
        tasks[i] = casync.create_task(function()
          if i == 1 then await(sleep(3600)) end
          await(casync.gather(tasks[i - 1], sleep(3600)))
        end)
      end
      await(sleep(0))
      tasks[n]:cancel()

      local ok, err = pcall(await, tasks[n])

      assert.is_false(ok)
      assert.is_true(iscancelled(err))
      settle()
    end))

  it("a chain of tasks passes on a result, and an error", async(30,
    function()
      for _, fails in ipairs {false, true} do
        local n = 20000
        local bottom = newfuture()
        local last = bottom
        for _ = 1, n do
          local inner = last
          last = casync.create_task(function() return (await(inner)) end)
        end
        await(sleep(0))
        if fails then bottom:set_exception("r") else bottom:set_result("r") end
        local ok, value = pcall(await, last)

        assert.equal(not fails, ok)
        assert.equal("r", value)
      end
    end))

  it("a gather has a million members #slow", async(60, function()
    local n = 1000000
    local future = newfuture()
    local list = {}
    local done = {}
    for i = 1, n do
      list[i] = newfuture()
      if i % 2 == 0 then list[i]:set_result(i) else done[#done + 1] = i end
    end
    list[n + 1] = future
    local gathered = casync.gather(list)
    for _, i in ipairs(done) do list[i]:set_result(i) end
    future:set_result("last")

    local results = await(gathered)

    assert.equal(n + 1, results.n)
    assert.equal(1, results[1])
    assert.equal(n, results[n])
    assert.equal("last", results[n + 1])
  end))

  it("as_completed and wait have a hundred thousand members #slow",
    async(60, function()
      local n = 100000
      local list = {}
      for i = 1, n do list[i] = newfuture() end
      casync.get_running_loop():call_soon(function()
        for i = n, 1, -1 do list[i]:set_result(i) end
      end)
      assert.equal(n, #await(casync.wait(list)))
      local expected = 1
      for future in casync.as_completed(list) do
        assert(future:result() == expected)
        expected = expected + 1
      end
      assert.equal(n + 1, expected)
    end))

  it("a future has ten thousand callbacks, most of them removed", async(30,
    function()
      local future = newfuture()
      local called = 0
      local function one() called = called + 1 end
      local function other() called = called + 1000000 end
      for i = 1, 10000 do
        future:add_done_callback(i % 10 == 0 and one or other)
      end
      assert.equal(9000, future:remove_done_callback(other))
      future:set_result()
      settle()

      assert.equal(1000, called)
    end))
end)
