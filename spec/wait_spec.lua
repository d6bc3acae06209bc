local casync = require "casync"
local core = require "casync.core"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await
local sleep = casync.sleep
local caught, newfuture, forever =
  helper.caught, helper.newfuture, helper.forever

local function iscancelled(err) return casync.CancelledError:is(err) end
local function istimeout(err) return casync.TimeoutError:is(err) end

describe("wait", function()
  it("gives the done and the pending, in the order of input",
    async(function()
      local a, b, c = newfuture(), newfuture(), newfuture()
      a:set_result(1)
      c:set_result(3)

      local done, pending = await(casync.wait({a, b, c},
        {return_when = casync.FIRST_COMPLETED}))

      assert.same({a, c}, {table.unpack(done)})
      assert.same({b}, {table.unpack(pending)})
      assert.is_true(done[a])
      assert.is_nil(done[b])
      assert.is_true(pending[b])
    end))

  it("knows the very things that were passed in", async(function()
    local co = casync.async(function() return 1 end)()
    local function fn() return 2 end
    local task = casync.create_task(function() end)

    local done, pending = await(casync.wait {co, fn, task})

    assert.equal(3, #done)
    assert.equal(0, #pending)
    assert.is_true(done[co] and done[fn] and done[task])
    local n = 0
    for _ in pairs(done) do n = n + 1 end
    assert.equal(3, n)
    assert.equal(1, done[1]:result())
    assert.equal(2, done[2]:result())
  end))

  it("waits for all unless told otherwise, and raises nothing",
    async(function()
      local failed = casync.create_task(error, "oops")
      local slow = casync.create_task(function() await(sleep(0.001)) end)

      local done = await(casync.wait {failed, slow})

      assert.equal(2, #done)
      assert.equal("oops", failed:exception())
    end))

  it("returns at the first error with FIRST_EXCEPTION", async(function()
    local cancelled, never = casync.create_task(forever), newfuture()
    local failing = newfuture()
    local task = casync.create_task(function()
      return await(casync.wait({cancelled, failing, never},
        {return_when = casync.FIRST_EXCEPTION}))
    end)
    settle()
    cancelled:cancel()
    settle()
    assert.is_false(task:done())
    failing:set_exception("oops")
    local done, pending = await(task)

    assert.same({2, 1}, {#done, #pending})
    assert.equal("oops", failing:exception())
  end))

  it("gives the pending when time is up, and cancels nothing",
    async(function()
      local task = casync.create_task(forever)

      local done, pending = await(casync.wait({task}, {timeout = 0.001}))

      assert.same({0, 1}, {#done, #pending})
      assert.is_false(task:done())
      task:cancel()
    end))

  it("polls with a time-out of zero", async(function()
    local done, pending = await(casync.wait({newfuture()}, {timeout = 0}))

    assert.same({0, 1}, {#done, #pending})
    done = await(casync.wait({function() end}, {timeout = 0.001}))
    assert.equal(1, #done)
  end))

  it("gives all that is done when it goes on", async(function()
    local a, b = newfuture(), newfuture()
    local task = casync.create_task(function()
      return await(casync.wait({a, b},
        {return_when = casync.FIRST_COMPLETED}))
    end)
    settle()
    a:set_result()
    b:set_result()

    assert.equal(2, #await(task))
  end))

  it("leaves the members alone when it is cancelled", async(function()
    local member = casync.create_task(forever)
    local task = casync.create_task(function() await(casync.wait {member}) end)
    settle()
    task:cancel()
    settle()

    assert.is_true(task:cancelled())
    assert.is_false(member:done())
    member:cancel()
  end))

  it("takes the same one twice as one", async(function()
    local a = newfuture()
    a:set_result()

    assert.equal(1, #await(casync.wait {a, a}))
  end))

  it("begins when it is awaited", async(function()
    local begun = false
    local waiting = casync.wait {function() begun = true end}
    settle()
    assert.is_false(begun)

    await(waiting)
    assert.is_true(begun)
  end))

  it("refuses an empty list and wrong options", async(function()
    assert.match("empty", caught(casync.wait, {}))
    assert.match("Invalid return_when",
      caught(casync.wait, {sleep(0)}, {return_when = "NEVER"}))
    assert.match("unknown option 'timout'",
      caught(casync.wait, {sleep(0)}, {timout = 1}))
    assert.match("list", caught(casync.wait, sleep(0)))
  end))

  it("leaves nothing behind", async(function()
    local loop = casync.get_running_loop()
    local before = core.census(loop)
    local future = newfuture()
    for i = 1, 20 do
      await(casync.wait({future, sleep(0)},
        {timeout = i % 2 / 1000, return_when = casync.FIRST_COMPLETED}))
    end
    settle()
    collectgarbage()

    assert.same(before, core.census(loop))
    future:set_result()
  end))
end)

describe("wait_for", function()
  it("gives all results in time", async(function()
    assert.same({1, nil, 3}, {await(casync.wait_for(function()
      await(sleep(0))
      return 1, nil, 3
    end, 3600))})
    assert.equal(4, await(casync.wait_for(sleep(0, 4), nil)))
  end))

  it("raises TimeoutError, with what was cancelled, after the time",
    async(function()
      local seen
      local err = caught(await, casync.wait_for(function()
        local _, why = pcall(forever)
        seen = why
        error(why, 0)
      end, 0.001))

      assert.is_true(istimeout(err))
      assert.is_true(iscancelled(seen))
      assert.is_true(iscancelled(err.cause))
      assert.equal(0, casync.current_task():cancelling())
    end))

  it("runs a coroutine object in the task that waits", async(function()
    local me = casync.current_task()

    assert.equal(me, await(casync.wait_for(casync.async(
      casync.current_task)(), 3600)))
  end))

  it("does not begin when the time is zero or less", async(function()
    local begun = false
    for _, timeout in ipairs {0, -1, -math.huge} do
      local err = caught(await, casync.wait_for(function() begun = true end,
        timeout))
      assert.is_true(istimeout(err))
    end
    local done = newfuture()
    done:set_result("there")

    assert.is_false(begun)
    assert.equal("there", await(casync.wait_for(done, 0)))
  end))

  it("waits for the cleanup even when the time is over", async(function()
    local cleaned = false
    local err = caught(await, casync.wait_for(function()
      local _ <close> = setmetatable({}, {__close = function()
        await(sleep(0.003))
        cleaned = true
      end})
      forever()
    end, 0.001))

    assert.is_true(istimeout(err))
    assert.is_true(cleaned)
  end))

  it("gives the value of one that swallows the cancellation, and the error "
    .. "of one that raises another", async(function()
    assert.equal("kept", await(casync.wait_for(function()
      pcall(forever)
      return "kept"
    end, 0.001)))
    assert.equal("other", caught(await, casync.wait_for(function()
      pcall(forever)
      error("other", 0)
    end, 0.001)))
  end))

  it("cancels a task for everybody, unless it is shielded", async(function()
    local lost, kept = casync.create_task(forever), casync.create_task(forever)
    caught(await, casync.wait_for(lost, 0.001))
    caught(await, casync.wait_for(casync.shield(kept), 0.001))

    assert.is_true(lost:cancelled())
    assert.is_false(kept:done())
    kept:cancel()
  end))

  it("passes a cancellation from outside", async(function()
    local task = casync.create_task(function()
      await(casync.wait_for(forever, 3600))
    end)
    settle()
    task:cancel("outside")
    settle()

    assert.equal("outside", caught(await, task).message)
  end))

  it("takes its timer out when it is done", async(function()
    local loop = casync.get_running_loop()
    local before = core.census(loop).timers
    await(casync.wait_for(sleep(0), 3600))
    caught(await, casync.wait_for(error, 3600))

    assert.equal(before, core.census(loop).timers)
  end))
end)

describe("as_completed", function()
  it("gives the very futures, in the order in which they end",
    async(function()
      local a, b = newfuture(), newfuture()
      local task = casync.create_task(function() return 3 end)
      local seen = {}
      casync.get_running_loop():call_later(0.001, function()
        b:set_result(2)
        a:set_result(1)
      end)
      for future in casync.as_completed {a, b, task} do
        assert.is_true(future:done())
        seen[#seen + 1] = future
      end

      assert.same({task, b, a}, seen)
    end))

  it("begins at the call, and takes functions and coroutine objects",
    async(function()
      local begun = 0
      local function fn()
        begun = begun + 1
        return begun
      end
      local iterate = casync.as_completed {fn, casync.async(fn)(), fn}
      settle()
      assert.equal(3, begun)

      local results = {}
      for future in iterate do results[#results + 1] = await(future) end

      assert.same({1, 2, 3}, results)
    end))

  it("gives failed and cancelled ones too", async(function()
    local failed, cancelled = newfuture(), newfuture()
    failed:set_exception("oops")
    cancelled:cancel()
    local seen = {}
    for future in casync.as_completed {failed, cancelled} do
      seen[#seen + 1] = caught(await, future)
    end

    assert.equal("oops", seen[1])
    assert.is_true(iscancelled(seen[2]))
  end))

  it("raises TimeoutError when time is up, and cancels nothing",
    async(function()
      local never = newfuture()
      local seen = 0
      local iterate = casync.as_completed({sleep(0), never},
        {timeout = 0.1})
      local err = caught(function()
        for _ in iterate do seen = seen + 1 end
      end)

      assert.is_true(istimeout(err))
      assert.equal(1, seen)
      assert.is_false(never:done())
      assert.is_true(istimeout(caught(iterate)))
    end))

  it("can be left and taken up again", async(function()
    local iterate = casync.as_completed {sleep(0, 1), sleep(0, 2), sleep(0, 3)}
    local results = {}
    for future in iterate do
      results[#results + 1] = await(future)
      if #results == 1 then break end
    end
    for future in iterate do results[#results + 1] = await(future) end

    assert.same({1, 2, 3}, results)
    assert.is_nil(iterate())
  end))

  it("takes each once, and an empty list", async(function()
    local a = newfuture()
    a:set_result()
    local n = 0
    for _ in casync.as_completed {a, a, a} do n = n + 1 end
    for _ in casync.as_completed {} do n = n + 10 end

    assert.equal(1, n)
  end))

  it("can be dropped while its members are pending", async(function()
    local futures = {}
    for i = 1, 10 do
      futures[i] = newfuture()
      casync.as_completed {futures[i], futures[1]}
    end
    futures[2]:set_result()
    collectgarbage()
    collectgarbage()
    for i, future in ipairs(futures) do
      if i ~= 2 then future:set_result() end
    end
    settle()
  end))

  it("is awaited by one task at a time", async(function()
    local iterate = casync.as_completed {newfuture()}
    local task = casync.create_task(iterate)
    settle()

    assert.match("another task waits", caught(iterate))
    task:cancel()
    settle()
    assert.is_true(task:cancelled())
  end))

  it("loses nothing when its task is cancelled just when one is ready",
    async(function()
      local a, b = newfuture(), newfuture()
      local iterate = casync.as_completed {a, b}
      local task = casync.create_task(iterate)
      settle()
      a:set_result("a")
      await(sleep(0))
      task:cancel()
      settle()
      assert.is_true(task:cancelled())
      b:set_result("b")

      assert.equal("a", iterate():result())
      assert.equal("b", iterate():result())
      assert.is_nil(iterate())
    end))
end)

describe("as_completed before the loop runs", function()
  it("takes futures of a loop, and no futures", function()
    local loop <close> = casync.new_event_loop()
    casync.set_event_loop(loop)
    local future = loop:create_future()
    local completed, none = casync.as_completed {future}, casync.as_completed {}
    loop:call_soon(function() future:set_result "done" end)

    local list = {}
    loop:run_until_complete(function()
      for first in completed do list[#list + 1] = casync.await(first) end
      for _ in none do list[#list + 1] = "none" end
    end)
    casync.set_event_loop(nil)

    assert.same({"done"}, list)
  end)
end)
