local casync = require "casync"
local helper = require "spec.helper"

local async, await = helper.async, casync.await
local sleep = casync.sleep
local caught, forever =
  helper.caught, helper.forever

describe("A function whose only result is a fresh awaitable", function()
  it("stands for what that gives, as a task", async(function()
    local task = casync.create_task(casync.sleep, 0, "slept")

    assert.equal("slept", await(task))
  end))

  it("stands for it in a scope", async(function()
    assert.same({true, "slept"},
      {await(casync.move_on_after(10, casync.sleep, 0, "slept"))})
  end))

  it("can be cancelled while it waits", async(function()
    local task = casync.create_task(casync.sleep, 3600)
    helper.settle()
    task:cancel()

    local ok, err = pcall(await, task)
    assert.is_false(ok)
    assert.is_true(casync.CancelledError:is(err))
  end))

  it("gives a future as it is", async(function()
    local future = casync.get_running_loop():create_future()
    local task = casync.create_task(function() return future end)

    assert.equal(future, await(task))
  end))
end)

describe("timeout", function()
  it("raises TimeoutError when the time has passed", async(function()
    local scope
    local err = caught(function()
      local t <close> = casync.timeout(0.005)
      scope = t
      forever()
    end)

    assert.is_true(casync.TimeoutError:is(err))
    assert.is_true(scope:expired())
    assert.equal(0, casync.current_task():cancelling())
  end))

  it("does nothing when the block is done before", async(function()
    local scope
    do
      local t <close> = casync.timeout(3600)
      scope = t
      await(sleep(0))
    end

    assert.is_false(scope:expired())
  end))

  it("interrupts only the first wait when it is zero", async(function()
    local steps = 0
    local err = caught(function()
      local _ <close> = casync.timeout(0)
      steps = steps + 1
      await(sleep(0))
      steps = steps + 1
    end)

    assert.is_true(casync.TimeoutError:is(err))
    assert.equal(1, steps)
  end))

  it("passes other errors, and TimeoutErrors of the body", async(function()
    local own = casync.TimeoutError "own"
    assert.equal(own, caught(function()
      local _ <close> = casync.timeout(3600)
      error(own)
    end))
    assert.equal("other", caught(function()
      local _ <close> = casync.timeout(0)
      pcall(forever)
      error("other", 0)
    end))
    await(sleep(0))
  end))

  it("passes a cancellation from outside", async(function()
    local scope
    local task = casync.create_task(function()
      local t <close> = casync.timeout(3600)
      scope = t
      forever()
    end)
    helper.settle()

    task:cancel()
    local err = caught(await, task)

    assert.is_true(casync.CancelledError:is(err))
    assert.is_false(scope:expired())
  end))

  it("nests: the inner expires, the outer goes on", async(function()
    local outer
    do
      local t <close> = casync.timeout(3600)
      outer = t
      local err = caught(function()
        local _ <close> = casync.timeout(0.001)
        forever()
      end)
      assert.is_true(casync.TimeoutError:is(err))
      await(sleep(0))
    end

    assert.is_false(outer:expired())
  end))

  it("nests: the outer expires, the inner lets it pass", async(function()
    local log = {}
    local err = caught(function()
      local _ <close> = casync.timeout(0.001)
      local inner = caught(function()
        local _ <close> = casync.timeout(3600)
        forever()
      end)
      log[1] = inner.name
      error(inner, 0)
    end)

    assert.same({"CancelledError"}, log)
    assert.is_true(casync.TimeoutError:is(err))
  end))

  it("can be rescheduled and disarmed", async(function()
    local loop = casync.get_running_loop()
    do
      local t <close> = casync.timeout(0)
      t:reschedule(nil)
      assert.is_nil(t:when())
      await(sleep(0.002))
      t:reschedule(loop:time() + 3600)
      await(sleep(0))
    end
    local err = caught(function()
      local t <close> = casync.timeout(nil)
      t:reschedule(loop:time())
      forever()
    end)

    assert.is_true(casync.TimeoutError:is(err))
  end))

  it("takes a time of the loop's clock", async(function()
    local when = casync.get_running_loop():time() + 0.002
    local err = caught(function()
      local t <close> = casync.timeout_at(when)
      assert.equal(when, t:when())
      forever()
    end)

    assert.is_true(casync.TimeoutError:is(err))
    assert.is_true(casync.get_running_loop():time() >= when)
  end))

  it("is for tasks only, and takes numbers only", async(function()
    assert.error_matches(function() casync.timeout("soon") end,
      "bad delay for 'timeout'")
    assert.error_matches(function() casync.timeout(0 / 0) end, "NaN")
    local message
    casync.get_running_loop():call_soon(function()
      message = select(2, pcall(casync.timeout, 1))
    end)
    await(sleep(0))
    assert.matches("should be used inside a task", message)
  end))
end)

describe("with_timeout", function()
  it("gives the results of the function", async(function()
    assert.same({3, 4}, {await(casync.with_timeout(3600, function(a, b)
      await(sleep(0))
      return a, b
    end, 3, 4))})
  end))

  it("takes async functions and awaitables", async(function()
    local double = casync.async(function(x) return 2 * x end)

    assert.equal(4, await(casync.with_timeout(1, double, 2)))
    assert.equal(6, await(casync.with_timeout(1, double(3))))
  end))

  it("raises TimeoutError", async(function()
    local err = caught(await, casync.with_timeout(0.001, forever))

    assert.is_true(casync.TimeoutError:is(err))
  end))

  it("checks its arguments at the call", async(function()
    assert.error_matches(function() casync.with_timeout(1) end,
      "bad argument to 'with_timeout'")
  end))
end)

describe("move_on_after", function()
  it("tells that the function has ended, with its results", async(function()
    assert.same({true, 1, 2}, {await(casync.move_on_after(3600, function()
      return 1, 2
    end))})
  end))

  it("tells that it has been cut off", async(function()
    assert.same({false}, {await(casync.move_on_after(0.001, forever))})
    assert.equal(0, casync.current_task():cancelling())
    await(sleep(0))
  end))

  it("counts a late end as an end", async(function()
    assert.same({true, "late"}, {await(casync.move_on_after(0.001, function()
      pcall(forever)
      return "late"
    end))})
    await(sleep(0))
  end))

  it("passes errors and cancellations of others", async(function()
    assert.equal("x", caught(await, casync.move_on_after(1, error, "x", 0)))
    local task = casync.create_task(casync.move_on_after(3600, forever))
    helper.settle()

    task:cancel()
    pcall(await, task)

    assert.is_true(task:cancelled())
  end))
end)

describe("shielded", function()
  it("keeps a cancellation until the next await after it", async(function()
    local log = {}
    local task = casync.create_task(function()
      log[1] = await(casync.shielded(function()
        await(sleep(0.002))
        return "cleaned"
      end))
      log[2] = "still here"
      await(sleep(0))
      log[3] = "never"
    end)
    helper.settle()

    task:cancel()
    pcall(await, task)

    assert.same({"cleaned", "still here"}, log)
    assert.is_true(task:cancelled())
  end))

  it("lets scopes inside it expire", async(function()
    local err = caught(await, casync.shielded(function()
      local _ <close> = casync.timeout(0.001)
      forever()
    end))

    assert.is_true(casync.TimeoutError:is(err))
  end))
end)

describe("wait_for", function()
  it("gives the results in time", async(function()
    assert.same({1, 2}, {await(casync.wait_for(function()
      await(sleep(0))
      return 1, 2
    end, 3600))})
    assert.equal(5, await(casync.wait_for(sleep(0, 5), nil)))
  end))

  it("runs a coroutine object in the same task", async(function()
    local which = casync.async(function() return casync.current_task() end)

    assert.equal(casync.current_task(), await(casync.wait_for(which(), 1)))
  end))

  it("cancels a task that is late and waits for its end", async(function()
    local cleaned = false
    local task = casync.create_task(function()
      local ok, err = pcall(forever)
      await(sleep(0))
      cleaned = not ok
      error(err, 0)
    end)

    local err = caught(await, casync.wait_for(task, 0.001))

    assert.is_true(casync.TimeoutError:is(err))
    assert.is_true(cleaned)
    assert.is_true(task:cancelled())
  end))

  it("does not start what has no time", async(function()
    local started = false
    local err = caught(await, casync.wait_for(function()
      started = true
    end, 0))

    assert.is_true(casync.TimeoutError:is(err))
    assert.is_false(started)
    local done = casync.get_running_loop():create_future()
    done:set_result(7)
    assert.equal(7, await(casync.wait_for(done, 0)))
  end))

  it("gives the value of a task that swallows the cancellation",
    async(function()
      local task = casync.create_task(function()
        pcall(forever)
        return "kept"
      end)

      assert.equal("kept", await(casync.wait_for(task, 0.001)))
    end))

  it("leaves a shielded task alone", async(function()
    local task = casync.create_task(sleep(0.01))

    local err = caught(await, casync.wait_for(casync.shield(task), 0.001))

    assert.is_true(casync.TimeoutError:is(err))
    assert.is_false(task:done())
    await(task)
  end))
end)

describe("A TimeoutError", function()
  local function slow() await(sleep(3600)) end

  it("has the frames of what took too long", async(function()
    local task = casync.create_task(function()
      local _ <close> = casync.timeout(0.001)
      slow()
    end)

    assert.is_true(casync.TimeoutError:is(caught(await, task)))
    assert.match("upvalue 'slow'", task:traceback())
    assert.is_nil(task:traceback():find("awaited by", 1, true))
  end))

  it("has them through wait_for", async(function()
    local task = casync.create_task(function()
      await(casync.wait_for(slow, 0.001))
    end)

    assert.is_true(casync.TimeoutError:is(caught(await, task)))
    assert.match("timeouts_spec", task:traceback())
  end))
end)

describe("wait_for without a limit", function()
  it("wants it to be said", async(function()
    local err = caught(function() return casync.wait_for(sleep(0)) end)

    assert.match("bad argument #2 to 'wait_for'", err)
    await(casync.wait_for(sleep(0), nil))
  end))
end)

describe("retry", function()
  local calls

  before_each(function() calls = 0 end)

  local function flaky(good, err)
    return function()
      calls = calls + 1
      if calls < good then error(err or "not yet", 0) end
      return calls, "done"
    end
  end

  it("calls again until it works", async(function()
    assert.same({3, "done"}, {await(casync.retry(flaky(3),
      {delay = 0}))})
  end))

  it("gives up with the last error", async(function()
    local err = {}

    local ok, value = pcall(await, casync.retry(flaky(9, err),
      {attempts = 4, delay = 0}))

    assert.is_false(ok)
    assert.equal(err, value)
    assert.equal(4, calls)
  end))

  it("tries again only for the errors it is told", async(function()
    pcall(await, casync.retry(flaky(9, casync.TimeoutError()),
      {on = casync.TimeoutError, delay = 0}))
    assert.equal(3, calls)
    calls = 0
    pcall(await, casync.retry(flaky(9), {on = {casync.TimeoutError}}))
    assert.equal(1, calls)
    calls = 0
    pcall(await, casync.retry(flaky(9), {delay = 0, on = function(err, n)
      return err == "not yet" and n < 2
    end}))
    assert.equal(2, calls)
  end))

  it("waits longer and longer, up to a limit", async(function()
    local loop = casync.get_running_loop()
    local start = loop:time()

    pcall(await, casync.retry(flaky(9),
      {attempts = 4, delay = 0.002, factor = 10, max_delay = 0.004}))

    assert.is_true(loop:time() - start >= 0.010)
  end))

  it("does not swallow a cancellation", async(function()
    local task = casync.create_task(casync.retry(function()
      calls = calls + 1
      forever()
    end))
    helper.settle()

    task:cancel()
    pcall(await, task)

    assert.is_true(task:cancelled())
    assert.equal(1, calls)
  end))

  it("checks its arguments", function()
    assert.error_matches(function() casync.retry(print, {attempt = 1}) end,
      "unknown option 'attempt' for 'retry'")
    assert.error_matches(function() casync.retry(print, {attempts = 0}) end,
      "bad attempts")
    assert.error_matches(function() casync.retry(print, {on = 1}) end,
      "bad 'on'")
  end)
end)

describe("A timeout scope", function()
  it("shows its state", async(function()
    local states = {}
    local function show(scope)
      states[#states + 1] = tostring(scope):gsub("when=.*", "when=?>")
    end
    local endless, short
    do
      local scope <close> = casync.timeout(nil)
      endless = scope
      show(scope)
    end
    show(endless)
    pcall(function()
      local scope <close> = casync.timeout(0)
      short = scope
      show(scope)
      local _ <close> = setmetatable({}, {__close = function() show(scope) end})
      forever()
    end)
    show(short)

    assert.same({
      "<Timeout [active]>", "<Timeout [finished]>",
      "<Timeout [active] when=?>", "<Timeout [expiring] when=?>",
      "<Timeout [expired]>",
    }, states)
  end))

  it("that expires in a shield interrupts when the shield is left",
    async(function()
      local log = {}
      local ok, err = pcall(function()
        local _ <close> = casync.timeout(0.001)
        await(casync.shielded(function()
          await(sleep(0.01))
          log[#log + 1] = "shielded"
        end))
        await(sleep(3600))
        log[#log + 1] = "not reached"
      end)

      assert.is_false(ok)
      assert.is_true(casync.TimeoutError:is(err), tostring(err))
      assert.same({"shielded"}, log)
    end))
end)

describe("A time-out and a cancellation from outside", function()
  it("are a cancellation", async(function()
    local task = casync.create_task(function()
      local _ <close> = casync.timeout(0)
      assert(not pcall(forever))        -- swallows that of the time-out
      forever()
    end)
    helper.settle()

    task:cancel()
    helper.settle()

    assert.is_true(task:cancelled())
  end))
end)

describe("A time-out over a gather", function()
  it("cancels the futures in it", async(function()
    local future = helper.newfuture()

    assert.is_false(await(casync.move_on_after(0, function()
      await(casync.gather(future))
    end)))

    assert.is_true(future:cancelled())
  end))
end)

describe("A loop that is closed at once after a time-out was left", function()
  it("has nothing left of it", function()
    local loop = casync.new_event_loop()
    loop:create_task(function()
      do local _ <close> = casync.timeout(0) end
      loop:stop()
    end)
    loop:run_forever()

    loop:close()

    assert.is_true(loop:is_closed())
  end)
end)

describe("A time-out that is due, but was left in time", function()
  it("does nothing", async(function()
    do local _ <close> = casync.timeout(0) end

    await(sleep(0))
    await(sleep(0))

    assert.equal(0, casync.current_task():cancelling())
  end))
end)
