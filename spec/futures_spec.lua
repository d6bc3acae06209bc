local casync = require "casync"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await
local sleep = casync.sleep
local caught, newfuture =
  helper.caught, helper.newfuture

describe("A future", function()
  it("is pending until it has a result", async(function()
    local future = newfuture()
    assert.is_false(future:done())
    assert.is_false(future:cancelled())

    future:set_result(1, nil, 3)

    assert.is_true(future:done())
    assert.is_false(future:cancelled())
    assert.same({1, nil, 3}, {future:result()})
    assert.is_nil(future:exception())
    assert.is_nil(future:traceback())
  end))

  it("can have no result, or nil", async(function()
    local none, null = newfuture(), newfuture()
    none:set_result()
    null:set_result(nil)

    assert.equal(0, select("#", none:result()))
    assert.equal(1, select("#", null:result()))
    assert.equal(0, select("#", await(none)))
    assert.equal(1, select("#", await(null)))
  end))

  it("raises the very error it was given, each time", async(function()
    local future = newfuture()
    local err = {}
    future:set_exception(err)

    assert.equal(err, caught(future.result, future))
    assert.equal(err, caught(await, future))
    assert.equal(err, future:exception())
    assert.is_true(future:done())
    assert.is_false(future:cancelled())
  end))

  it("keeps a nil error as a string, and false as it is", async(function()
    local a, b = newfuture(), newfuture()
    a:set_exception(nil)
    b:set_exception(false)

    assert.equal("nil error", caught(await, a))
    assert.is_false(caught(await, b))
  end))

  it("does not tell a result before it is done", async(function()
    local future = newfuture()

    for _, method in ipairs {"result", "exception"} do
      local err = caught(future[method], future)
      assert.is_true(casync.InvalidStateError:is(err))
      assert.match("is not set", err.message)
    end
  end))

  it("is settled only once", async(function()
    for _, settled in ipairs {
      function(f) f:set_result(1) end,
      function(f)
        f:set_exception("x")
        f:exception()
      end,
      function(f) f:cancel() end,
    } do
      local future = newfuture()
      settled(future)
      assert.is_true(casync.InvalidStateError:is(
        caught(future.set_result, future, 2)))
      assert.is_true(casync.InvalidStateError:is(
        caught(future.set_exception, future, "y")))
      assert.is_false(future:cancel())
    end
  end))

  it("is cancelled at once", async(function()
    local future = newfuture()

    assert.is_true(future:cancel("why"))

    assert.is_true(future:cancelled())
    assert.is_true(future:done())
    local err = caught(future.result, future)
    assert.is_true(casync.CancelledError:is(err))
    assert.equal("why", err.message)
    assert.is_true(casync.CancelledError:is(
      caught(future.exception, future)))
    assert.is_true(casync.CancelledError:is(caught(await, future)))
  end))

  it("knows its loop until that is closed", function()
    local loop = casync.new_event_loop()
    local future = loop:create_future()
    assert.equal(loop, future:get_loop())

    loop:close()

    assert.is_nil(future:get_loop())
    assert.is_false(future:done())
  end)

  it("can be settled after its loop was closed", function()
    local loop = casync.new_event_loop()
    local future, failed = loop:create_future(), loop:create_future()
    local log = {}
    future:add_done_callback(function() log[1] = "called" end)
    loop:close()

    future:set_result(1)
    failed:set_exception("x")

    assert.equal(1, future:result())
    assert.equal("x", failed:exception())
    assert.same({}, log)
    assert.has_error(function() future:add_done_callback(print) end,
      "Event loop is closed")
  end)

  it("has a text for each state", async(function()
    local future = newfuture()
    assert.equal("<Future pending>", tostring(future))
    future:set_result("r")
    assert.equal("<Future finished result='r'>", tostring(future))
    local failed = newfuture()
    failed:set_exception(casync.TimeoutError "t")
    assert.equal("<Future finished exception=TimeoutError: t>",
      tostring(failed))
    failed:exception()
    local cancelled = newfuture()
    cancelled:cancel()
    assert.equal("<Future cancelled>", tostring(cancelled))
    local long = newfuture()
    long:set_result(("x"):rep(100))
    assert.equal(("<Future finished result='%s...'>"):format(("x"):rep(57)),
      tostring(long))
  end))

  it("is known as one", async(function()
    local co = casync.async(function() end)()

    for _, value in ipairs {newfuture(), casync.gather(), casync.shield(
      newfuture()), casync.current_task()} do
      assert.is_true(casync.isfuture(value))
      assert.is_true(casync.isawaitable(value))
    end
    for _, value in ipairs {1, "x", {}, print, co, sleep(0), io.stdout} do
      assert.is_false(casync.isfuture(value))
    end
    await(co)
  end))
end)

describe("A done-callback", function()
  it("is called in a later round, with the future", async(function()
    local future = newfuture()
    local seen
    future:add_done_callback(function(f) seen = f end)
    future:set_result()
    assert.is_nil(seen)

    await(sleep(0))

    assert.equal(future, seen)
  end))

  it("is not called at the call when the future is done", async(function()
    local future = newfuture()
    future:set_result()
    local seen
    future:add_done_callback(function(f) seen = f end)
    assert.is_nil(seen)

    await(sleep(0))

    assert.equal(future, seen)
  end))

  it("has its turn in the order of registration", async(function()
    local future = newfuture()
    local order = {}
    for i = 1, 5 do
      future:add_done_callback(function() order[#order + 1] = i end)
    end
    local waiter = casync.create_task(function()
      await(future)
      order[#order + 1] = "waiter"
    end)
    await(sleep(0))
    future:add_done_callback(function() order[#order + 1] = "last" end)
    future:set_result()

    await(waiter)

    settle()
    assert.same({1, 2, 3, 4, 5, "waiter", "last"}, order)
  end))

  it("does not keep the others from theirs when it throws",
    async(function()
      local contexts = helper.capture()
      local future = newfuture()
      local seen = false
      future:add_done_callback(function() error("oops") end)
      future:add_done_callback(function() seen = true end)
      future:set_result()

      settle()

      assert.is_true(seen)
      assert.equal(1, #contexts)
      assert.match("^Exception in callback", contexts[1].message)
      assert.match("oops", contexts[1].exception)
    end))

  it("is called for a cancelled and for a failed future, and for a task",
    async(function()
      local seen = {}
      local function add(f) seen[f] = true end
      local cancelled, failed = newfuture(), newfuture()
      local task = casync.create_task(function() end)
      for _, f in ipairs {cancelled, failed, task} do
        f:add_done_callback(add)
      end
      cancelled:cancel()
      failed:set_exception("x")
      failed:exception()

      settle()

      assert.same({[cancelled] = true, [failed] = true, [task] = true}, seen)
    end))

  it("may be a callable table", async(function()
    local future = newfuture()
    local seen
    local callable = setmetatable({}, {__call = function(_, f) seen = f end})
    future:add_done_callback(callable)
    future:set_result()

    settle()

    assert.equal(future, seen)
  end))

  it("can be removed, all of its registrations at once", async(function()
    local future = newfuture()
    local count = 0
    local function add() count = count + 1 end
    local function other() count = count + 10 end
    future:add_done_callback(add)
    future:add_done_callback(other)
    future:add_done_callback(add)

    assert.equal(2, future:remove_done_callback(add))
    assert.equal(0, future:remove_done_callback(add))
    future:set_result()
    settle()

    assert.equal(10, count)
  end))

  it("cannot be removed once the future is done", async(function()
    local future = newfuture()
    local count = 0
    local function add() count = count + 1 end
    future:add_done_callback(add)
    future:set_result()

    assert.equal(0, future:remove_done_callback(add))
    settle()
    assert.equal(1, count)
  end))

  it("survives an __eq that settles the future", async(function()
    local future = newfuture()
    local called = 0
    local meta = {
      __call = function() called = called + 1 end,
      __eq = function()
        if not future:done() then future:set_result() end
        return true
      end,
    }
    for _ = 1, 3 do future:add_done_callback(setmetatable({}, meta)) end

    future:remove_done_callback(setmetatable({}, meta))
    collectgarbage()
    settle()

    assert.is_true(called <= 3)
  end))

  it("runs though nobody else keeps the future", async(function()
    local called = 0
    for _ = 1, 10 do
      local future = newfuture()
      future:add_done_callback(function() called = called + 1 end)
      future:set_result()
    end
    collectgarbage()
    collectgarbage()

    settle()

    assert.equal(10, called)
  end))

  it("runs in the context in which it was added, or in the one given",
    async(function()
      local var = casync.ContextVar("v", "none")
      local seen = {}
      local function see() seen[#seen + 1] = var:get() end
      local future = newfuture()
      local context = casync.copy_context()
      context:run(function() var:set("given") end)
      var:set("added")
      future:add_done_callback(see)
      future:add_done_callback(see, {context = context})
      var:set("later")
      future:set_result()

      settle()

      assert.same({"added", "given"}, seen)
    end))

  it("can add another to the same future", async(function()
    local future = newfuture()
    local log = {}
    future:add_done_callback(function(f)
      log[#log + 1] = 1
      f:add_done_callback(function() log[#log + 1] = 2 end)
    end)
    future:set_result()

    settle()

    assert.same({1, 2}, log)
  end))
end)

describe("set_exception with a CancelledError", function()
  it("cancels the future", async(function()
    local future = newfuture()

    future:set_exception(casync.CancelledError())

    assert.is_true(future:cancelled())
  end))
end)
