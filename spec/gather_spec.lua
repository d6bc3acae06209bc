local casync = require "casync"
local core = require "casync.core"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await
local sleep = casync.sleep
local caught, iscancelled, newfuture, forever =
  helper.caught, helper.iscancelled, helper.newfuture, helper.forever

describe("gather", function()
  it("gives the first results in the order of its arguments", async(function()
    local slow = casync.async(function(x)
      await(sleep(x / 1000))
      return x, "second"
    end)

    assert.same({3, 1, 2}, {await(casync.gather(slow(3), slow(1), slow(2)))})
  end))

  it("takes a list and gives one", async(function()
    local list = {sleep(0, "a"), sleep(0), function() return "c" end}

    assert.same({"a", nil, "c", n = 3}, await(casync.gather(list)))
    assert.same({n = 0}, await(casync.gather {}))
    assert.equal(0, select("#", await(casync.gather())))
  end))

  it("runs all at once", async(function()
    local running, most = 0, 0
    local function work()
      running = running + 1
      most = math.max(most, running)
      await(sleep(0))
      running = running - 1
    end

    await(casync.gather(work, work, work))

    assert.equal(3, most)
  end))

  it("begins at the call", async(function()
    local begun = false
    local future = casync.gather(function() begun = true end)
    await(sleep(0))
    assert.is_true(begun)
    assert.is_true(casync.isfuture(future))

    await(future)
  end))

  it("can be awaited by several, and again", async(function()
    local future = casync.gather(sleep(0, 1), sleep(0, 2))
    local task = casync.create_task(function() return await(future) end)

    assert.same({1, 2}, {await(future)})
    assert.same({1, 2}, {await(task)})
    assert.same({1, 2}, {future:result()})
  end))

  it("is done at once when all its members are", async(function()
    local a, b = newfuture(), newfuture()
    a:set_result(1)
    b:set_result(2)

    local future = casync.gather(a, b)

    assert.is_true(future:done())
    assert.same({1, 2}, {future:result()})
  end))

  it("runs the same coroutine object or future once, a function each time",
    async(function()
      local calls = 0
      local function fn()
        calls = calls + 1
        return calls
      end
      local co = casync.async(fn)()
      assert.same({1, 1}, {await(casync.gather(co, co))})
      assert.same({2, 3}, {await(casync.gather(fn, fn))})
      local task = casync.create_task(fn)
      assert.same({4, 4, 4, n = 3}, await(casync.gather {task, task, task}))
    end))

  it("raises the first error at once, and leaves the others running",
    async(function()
      local other = casync.create_task(function()
        return (await(sleep(0.002, "x")))
      end)
      local err = {}

      assert.equal(err, caught(await, casync.gather(other, function()
        error(err)
      end)))

      assert.is_false(other:done())
      assert.equal("x", await(other))
    end))

  it("does not report the errors that come later", async(function()
    local contexts = helper.capture()
    caught(await, casync.gather(
      function() error("one", 0) end,
      function() error("two", 0) end,
      function()
        await(sleep(0))
        error("three", 0)
      end))
    settle()
    collectgarbage()
    collectgarbage()

    assert.same({}, contexts)
  end))

  it("reports its own error when nobody asks", async(function()
    local contexts = helper.capture()
    casync.gather(function() error("one", 0) end)
    settle()
    collectgarbage()
    collectgarbage()

    assert.equal(1, #contexts)
    assert.match("exception was never retrieved", contexts[1].message)
    assert.equal("one", contexts[1].exception)
  end))

  it("gives Failures in the place of errors when told to", async(function()
    local err = {}
    local cancelled = newfuture()
    cancelled:cancel("why")

    local a, b, c = await(casync.gather(sleep(0, 1), function() error(err) end,
      cancelled, {return_exceptions = true}))

    assert.equal(1, a)
    assert.is_true(casync.is_failure(b))
    assert.equal(err, b.error)
    assert.match("gather_spec.lua", b.traceback)
    assert.is_true(casync.is_failure(c))
    assert.is_true(iscancelled(c.error))
    assert.is_false(casync.is_failure(a))
    assert.is_false(casync.is_failure({error = 1}))
    local list = await(casync.gather({function() error(err) end},
      {return_exceptions = true}))
    assert.equal(err, list[1].error)
  end))

  it("cancelled cancels all its members and waits for them",
    async(function()
      local log = {}
      local function member(i)
        return function()
          local _ <close> = setmetatable({}, {__close = function()
            await(sleep(0))
            log[#log + 1] = i
          end})
          forever()
        end
      end
      local future = casync.gather(member(1), member(2), member(3))
      settle()
      assert.is_true(future:cancel("all"))
      assert.is_false(future:done())

      local err = caught(await, future)

      assert.same({1, 2, 3}, log)
      assert.is_true(iscancelled(err))
      assert.equal("all", err.message)
      assert.is_false(future:cancelled())
      assert.is_true(future:done())
    end))

  it("cancelled raises although a member swallowed it, and with Failures",
    async(function()
      local function stubborn()
        pcall(forever)
        return 1
      end
      for _, opts in ipairs {{}, {return_exceptions = true}} do
        local future = casync.gather({stubborn, forever}, opts)
        settle()
        future:cancel()
        assert.is_true(iscancelled(caught(await, future)))
      end
    end))

  it("can't be cancelled when its members are done", async(function()
    local member = newfuture()
    local future = casync.gather(member)
    member:set_result(1)
    assert.is_false(future:cancel())

    assert.equal(1, await(future))
    assert.is_false(future:cancel())
  end))

  it("passes on the cancellation of the task that awaits it",
    async(function()
      local members = {casync.create_task(forever), newfuture()}
      local task = casync.create_task(function()
        await(casync.gather(members))
      end)
      settle()
      task:cancel()
      settle()

      assert.is_true(task:cancelled())
      assert.is_true(members[1]:cancelled())
      assert.is_true(members[2]:cancelled())
    end))

  it("raises when a member is cancelled, and is not cancelled itself",
    async(function()
      local one, two = casync.create_task(forever), casync.create_task(forever)
      local future = casync.gather(one, two)
      settle()
      one:cancel("single")

      local err = caught(await, future)

      assert.is_true(iscancelled(err))
      assert.equal("single", err.message)
      assert.is_false(future:cancelled())
      assert.is_false(two:done())
      two:cancel()
    end))

  it("cancels a task that waits for it when its members are all done",
    async(function()
      local member = newfuture()
      local future = casync.gather(member)
      local task = casync.create_task(function() await(future) end)
      settle()
      member:set_result(1)
      task:cancel("late")
      settle()

      assert.is_true(task:cancelled())
      assert.equal(1, future:result())
    end))

  it("takes gathers, shields and nested lists of them", async(function()
    local inner = casync.gather {sleep(0, 1), sleep(0, 2)}
    local outer = casync.gather(inner, casync.shield(sleep(0, 3)))

    local list, three = await(outer)

    assert.same({1, 2, n = 2}, list)
    assert.equal(3, three)
  end))

  it("shows what it is", async(function()
    local future = casync.gather(sleep(0))

    assert.equal("<Future pending of gather>", tostring(future))
    await(future)
    assert.equal("<Future finished of gather>", tostring(future))
  end))

  it("can't be settled by hand", async(function()
    local future = casync.gather(sleep(0))

    assert.has_error(function() future:set_result(1) end)
    assert.has_error(function() future:set_exception(1) end)
    await(future)
  end))

  it("has done-callbacks, though nobody keeps it", async(function()
    local called = 0
    for _ = 1, 5 do
      casync.gather(sleep(0), sleep(0.001)):add_done_callback(function()
        called = called + 1
      end)
    end
    collectgarbage()
    await(sleep(0.004))
    collectgarbage()
    settle()

    assert.equal(5, called)
  end))

  it("refuses members of another loop", async(function()
    local other <close> = casync.new_event_loop()
    local stranger = other:create_future()
    local co = casync.async(function() end)()

    assert.match("different loop", caught(casync.gather, co, stranger))
    settle()
  end))

  it("can be made outside of a task", function()
    local loop = casync.new_event_loop()
    casync.set_event_loop(loop)
    local future = casync.gather(sleep(0, 1), sleep(0, 2))
    casync.set_event_loop(nil)

    assert.same({1, 2}, {loop:run_until_complete(future)})
    loop:close()
  end)

  it("leaves nothing behind", async(function()
    local loop = casync.get_running_loop()
    local before = core.census(loop)
    for _ = 1, 10 do
      local future = casync.gather(forever, forever)
      await(sleep(0))
      future:cancel()
      pcall(await, future)
    end
    settle()

    assert.same(before, core.census(loop))
  end))
end)

describe("shield", function()
  it("keeps a cancellation from what it protects", async(function()
    local future = newfuture()
    local inner = casync.create_task(function()
      return (await(future))
    end)
    local outer = casync.create_task(function()
      return (await(casync.shield(inner)))
    end)
    settle()
    outer:cancel("outer only")
    settle()

    assert.is_true(outer:cancelled())
    assert.equal("outer only", caught(await, outer).message)
    assert.is_false(inner:done())
    future:set_result("kept")
    assert.equal("kept", await(inner))
  end))

  it("is cancelled at once itself", async(function()
    local inner = newfuture()
    local future = casync.shield(inner)

    assert.is_true(future:cancel())
    assert.is_true(future:cancelled())
    assert.is_false(inner:cancelled())
    assert.is_false(future:cancel())
    inner:set_result(1)
  end))

  it("gives all results, and raises the very error", async(function()
    local err = {}

    assert.same({1, nil, 3}, {await(casync.shield(function()
      return 1, nil, 3
    end))})
    assert.equal(err, caught(await, casync.shield(function() error(err) end)))
  end))

  it("is cancelled when what it protects is", async(function()
    local inner = newfuture()
    local future = casync.shield(inner)
    inner:cancel("inside")
    settle()

    assert.is_true(future:cancelled())
    assert.equal("inside", caught(await, future).message)
  end))

  it("gives a done future as it is", async(function()
    local done = newfuture()
    done:set_result(1)

    assert.equal(done, casync.shield(done))
  end))

  it("lets an error that nobody sees be reported", async(function()
    local contexts = helper.capture()
    do
      local inner = casync.create_task(function()
        await(sleep(0))
        error("unseen", 0)
      end)
      casync.shield(inner):cancel()
    end
    await(sleep(0.001))
    settle()
    collectgarbage()
    collectgarbage()

    assert.equal(1, #contexts)
    assert.equal("unseen", contexts[1].exception)
  end))

  it("does not report an error that was seen by its waiter",
    async(function()
      local contexts = helper.capture()
      caught(await, casync.shield(function() error("seen", 0) end))
      collectgarbage()
      collectgarbage()

      assert.same({}, contexts)
    end))

  it("shows what it is", async(function()
    local future = casync.shield(sleep(0))
    assert.equal("<Future pending of shield>", tostring(future))
    await(future)
  end))

  it("around a gather keeps its members running", async(function()
    local member = newfuture()
    local future = casync.shield(casync.gather(member))
    future:cancel()

    assert.is_false(member:done())
    member:set_result(1)
  end))
end)

describe("A failure in the results of gather", function()
  it("shows its error as a string", async(function()
    local results = await(casync.gather({function() error("oops", 0) end},
      {return_exceptions = true}))

    assert.equal("Failure: oops", tostring(results[1]))
  end))
end)
