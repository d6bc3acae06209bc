local casync = require "casync"
local core = require "casync.core"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await
local sleep = casync.sleep
local caught, iscancelled, newfuture, forever =
  helper.caught, helper.iscancelled, helper.newfuture, helper.forever

describe("Cancelling tasks that wait for each other in a ring", function()
  it("ends, and ends them, through a gather too", async(function()
    local first, second
    first = casync.create_task(function() await(casync.gather(second)) end)
    second = casync.create_task(function() await(first) end)
    settle()

    first:cancel()
    settle()

    assert.is_true(first:done())
    assert.is_true(second:done())
  end))
end)

describe("Cancelling a task", function()
  it("is a request, heard when the task runs next", async(function()
    local task = casync.create_task(forever)
    settle()

    assert.is_true(task:cancel())
    assert.is_false(task:cancelled())
    assert.is_false(task:done())
    assert.equal(1, task:cancelling())

    settle()
    assert.is_true(task:cancelled())
    assert.is_true(task:done())
    assert.is_true(iscancelled(caught(task.result, task)))
    assert.is_true(iscancelled(caught(task.exception, task)))
  end))

  it("that has not begun means that its body never runs", async(function()
    local ran = false
    local task = casync.create_task(function() ran = true end)
    task:cancel("early")
    settle()

    assert.is_true(task:cancelled())
    assert.is_false(ran)
    assert.equal("early", caught(await, task).message)
  end))

  it("does nothing when it is done", async(function()
    local task = casync.create_task(function() return 1 end)
    await(task)

    assert.is_false(task:cancel())
    assert.equal(0, task:cancelling())
    assert.equal(1, task:result())
  end))

  it("carries a message, any value, to those who await it",
    async(function()
      local message = {}
      local task = casync.create_task(forever)
      local outer = casync.create_task(function() await(task) end)
      settle()
      task:cancel(message)
      settle()

      assert.equal(message, caught(task.result, task).message)
      assert.equal(message, caught(outer.result, outer).message)
    end))

  it("twice delivers one error, with the first message", async(function()
    local seen = {}
    local task = casync.create_task(function()
      for i = 1, 2 do
        local ok, err = pcall(await, sleep(0.001))
        seen[i] = ok or err.message
      end
    end)
    settle()
    assert.is_true(task:cancel("first"))
    assert.is_true(task:cancel("second"))
    assert.equal(2, task:cancelling())

    await(task)

    assert.same({"first", true}, seen)
  end))

  it("is heard once: what swallows it goes on", async(function()
    local log = {}
    local task = casync.create_task(function()
      pcall(forever)
      log[1] = "swallowed"
      await(sleep(0))
      log[2] = "went on"
      return "done"
    end)
    settle()
    task:cancel()

    assert.equal("done", await(task))
    assert.same({"swallowed", "went on"}, log)
    assert.equal(1, task:cancelling())
    assert.is_false(task:cancelled())
  end))

  it("can be taken back before it is heard", async(function()
    local task
    task = casync.create_task(function()
      task:cancel()
      assert.equal(0, task:uncancel())
      await(sleep(0))
      return "went on"
    end)

    assert.equal("went on", await(task))
    assert.equal(0, task:uncancel())
  end))

  it("from within is heard at the next real wait", async(function()
    local log = {}
    local done = newfuture()
    done:set_result("r")
    local task
    task = casync.create_task(function()
      task:cancel("self")
      log[1] = await(done)
      local ok, err = pcall(await, sleep(0))
      log[2] = not ok and err.message
    end)
    await(task)

    assert.same({"r", "self"}, log)
  end))

  it("from within, with no wait after it, drops the results",
    async(function()
      local task
      task = casync.create_task(function()
        task:cancel("late")
        return "result"
      end)
      settle()

      assert.is_true(task:cancelled())
      assert.equal("late", caught(task.result, task).message)
    end))

  it("from within does not hide another error", async(function()
    local task
    task = casync.create_task(function()
      task:cancel()
      error("other", 0)
    end)

    assert.equal("other", caught(await, task))
    assert.is_false(task:cancelled())
  end))

  it("that waits for another cancels the innermost", async(function()
    local log = {}
    local inner = casync.create_task(function()
      local _, err = pcall(forever)
      log[1] = err.message
      error(err, 0)
    end)
    local middle = casync.create_task(function() await(inner) end)
    local outer = casync.create_task(function() await(middle) end)
    settle()
    outer:cancel("deep")
    settle()

    assert.same({"deep"}, log)
    for _, task in ipairs {inner, middle, outer} do
      assert.is_true(task:cancelled())
      assert.equal(1, task:cancelling())
    end
  end))

  it("lets the innermost decide", async(function()
    local inner = casync.create_task(function()
      pcall(forever)
      return "kept"
    end)
    local outer = casync.create_task(function() return (await(inner)) end)
    settle()
    outer:cancel()

    assert.equal("kept", await(outer))
    assert.equal(1, outer:cancelling())
  end))

  it("cancels the future it awaits, for all who do", async(function()
    local future = newfuture()
    local one = casync.create_task(function() await(future) end)
    local two = casync.create_task(function() await(future) end)
    settle()
    one:cancel("shared")

    assert.is_true(future:cancelled())
    settle()
    assert.is_true(one:cancelled())
    assert.is_true(two:cancelled())
    assert.equal("shared", caught(two.result, two).message)
  end))

  it("that was just woken loses the result, which the future keeps",
    async(function()
      local future = newfuture()
      local task = casync.create_task(function() return (await(future)) end)
      settle()
      future:set_result("r")
      task:cancel()
      settle()

      assert.is_true(task:cancelled())
      assert.equal("r", future:result())
    end))

  it("that was just woken replaces an error, without a report",
    async(function()
      local contexts = helper.capture()
      do
        local future = newfuture()
        local task = casync.create_task(function() await(future) end)
        settle()
        future:set_exception("lost")
        task:cancel()
        settle()
        assert.is_true(task:cancelled())
      end
      collectgarbage()
      collectgarbage()

      assert.same({}, contexts)
    end))

  it("runs its <close> variables, which may wait", async(function()
    local log = {}
    local task = casync.create_task(function()
      local _ <close> = setmetatable({}, {__close = function(_, err)
        await(sleep(0.001))
        log[#log + 1] = iscancelled(err)
      end})
      forever()
    end)
    settle()
    task:cancel()
    caught(await, task)

    assert.same({true}, log)
  end))

  it("again during its cleanup ends that, and runs the outer ones",
    async(function()
      local log = {}
      local task = casync.create_task(function()
        local outer <close> = setmetatable({}, {__close = function()
          await(sleep(0))
          log[#log + 1] = "outer"
        end})
        local inner <close> = setmetatable({}, {__close = function()
          forever()
          log[#log + 1] = "inner"
        end})
        return outer, inner, await(sleep(3600))
      end)
      settle()
      task:cancel()
      settle()
      assert.is_false(task:done())
      task:cancel()
      settle()

      assert.same({"outer"}, log)
      assert.is_true(task:cancelled())
    end))

  it("that raises CancelledError itself ends it cancelled", async(function()
    local task = casync.create_task(function()
      error(casync.CancelledError "own")
    end)
    settle()

    assert.is_true(task:cancelled())
    assert.equal(0, task:cancelling())
    assert.equal("own", caught(await, task).message)
  end))

  it("does not mind one that returns a CancelledError", async(function()
    local err = casync.CancelledError()
    local task = casync.create_task(function() return err end)

    assert.equal(err, await(task))
    assert.is_false(task:cancelled())
  end))

  it("takes its timer out at once", async(function()
    local loop = casync.get_running_loop()
    local before = core.census(loop).timers
    local task = casync.create_task(forever)
    settle()
    assert.equal(before + 1, core.census(loop).timers)

    task:cancel()

    assert.equal(before, core.census(loop).timers)
    settle()
  end))

  it("counts any number of requests", async(function()
    local task = casync.create_task(function()
      for _ = 1, 2 do pcall(forever) end
      return "ended"
    end)
    settle()
    for _ = 1, 70000 do task:cancel() end

    assert.equal(70000, task:cancelling())
    settle()
    task:cancel()
    assert.equal("ended", await(task))
    for _ = 1, 70001 do task:uncancel() end
    assert.equal(0, task:cancelling())
  end))

  it("while it is running cancels its next wait", async(function()
    local task
    task = casync.create_task(function()
      casync.create_task(casync.async(function() task:cancel() end)(),
        {eager_start = true})
      forever()
    end)
    settle()

    assert.is_true(task:cancelled())
  end))

  it("in a ring of tasks ends all of them", async(function()
    local ring = {}
    for i = 1, 5 do
      ring[i] = casync.create_task(function() await(ring[i % 5 + 1]) end)
    end
    settle()
    ring[3]:cancel("broken")
    settle()

    for _, task in ipairs(ring) do assert.is_true(task:cancelled()) end
  end))

  it("that yields bare raises at its next wait", async(function()
    local task = casync.create_task(function()
      pcall(coroutine.yield)
      forever()
    end)
    await(sleep(0))
    task:cancel()
    settle()
    settle()

    assert.is_true(task:cancelled())
  end))

  it("from a done-callback, or by another task, is the same",
    async(function()
      local one, two = casync.create_task(forever), casync.create_task(forever)
      local three = casync.create_task(function() two:cancel() end)
      three:add_done_callback(function() one:cancel() end)
      settle()

      assert.is_true(one:cancelled())
      assert.is_true(two:cancelled())
    end))
end)

describe("casync.pcall", function()
  it("never swallows a cancellation", async(function()
    local log = {}
    local task = casync.create_task(function()
      casync.pcall(forever)
      log[1] = "went on"
    end)
    settle()
    task:cancel()
    settle()

    assert.is_true(task:cancelled())
    assert.same({}, log)
  end))

  it("catches all other errors", async(function()
    assert.same({false, "oops"}, {casync.pcall(error, "oops")})
    assert.same({true, 1, 2}, {casync.pcall(function() return 1, 2 end)})
  end))
end)

describe("Cancelling everything at random", function()
  -- Tasks that await each other, futures, sleeps and gathers in a forest,
  -- cancelled in an arbitrary order: all end, and nothing is left.
  it("ends every task and leaves nothing behind", async(20, function()
    math.randomseed(7)
    local loop = casync.get_running_loop()
    local before = core.census(loop)
    for _ = 1, 60 do
      local tasks, futures = {}, {}
      for i = 1, 5 do futures[i] = newfuture() end
      for i = 1, 40 do
        local kind = math.random(7)
        tasks[i] = casync.create_task(function()
          if kind == 1 or i < 3 then
            await(sleep(math.random() / 100))
          elseif kind == 2 then
            await(tasks[math.random(i - 1)])
          elseif kind == 3 then
            await(futures[math.random(5)])
          elseif kind == 4 then
            await(casync.gather(tasks[math.random(i - 1)],
              casync.shield(tasks[math.random(i - 1)])))
          elseif kind == 5 then
            await(casync.wait {tasks[math.random(i - 1)], futures[1]})
          elseif kind == 6 then
            await(casync.wait_for(tasks[math.random(i - 1)],
              math.random() / 100))
          else
            pcall(await, sleep(0.001))
            await(sleep(0))
          end
        end)
      end
      await(sleep(0))
      for _ = 1, 60 do
        local action = math.random(6)
        if action <= 3 then
          tasks[math.random(40)]:cancel()
        elseif action == 4 then
          local future = futures[math.random(5)]
          if not future:done() then future:set_result(1) end
        elseif action == 5 then
          await(sleep(0))
        else
          collectgarbage("step", 10)
        end
      end
      while true do
        local left = false
        for _, task in ipairs(tasks) do left = task:cancel() or left end
        if not left then break end
        await(sleep(0))
      end
      for _, task in ipairs(tasks) do
        if not task:cancelled() then task:exception() end
      end
      settle()
    end
    collectgarbage()

    assert.same(before, core.census(loop))
  end))
end)

describe("Cancelling a task that awaits one in a shielded scope", function()
  it("takes effect when the scope is left", async(function()
    local log = {}
    local inner = casync.create_task(function()
      await(casync.shielded(function()
        await(sleep(0.005))
        log[#log + 1] = "shielded"
      end))
      await(sleep(3600))
    end)
    local outer = casync.create_task(function() await(inner) end)
    settle()

    outer:cancel "why"
    local err = helper.caught(await, outer)

    assert.is_true(casync.CancelledError:is(err))
    assert.is_true(inner:cancelled())
    assert.same({"shielded"}, log)
  end))
end)
