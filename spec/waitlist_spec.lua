local casync = require "casync"
local core = require "casync.core"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await

describe("WaitList", function()
  local list, log

  before_each(function()
    list = core.WaitList()
    log = {}
  end)

  local function waiter(name)
    return casync.create_task(function()
      await(list:wait())
      log[#log + 1] = name
    end)
  end

  local function waiters(...)
    local tasks = {}
    for i, name in ipairs {...} do tasks[i] = waiter(name) end
    settle()
    return table.unpack(tasks)
  end

  it("wakes in order of arrival", async(function()
    waiters("a", "b", "c")

    assert.equal(2, list:wake(2))
    settle()

    assert.same({"a", "b"}, log)
    assert.equal(1, list:count())
    assert.equal(1, list:wake())
  end))

  it("runs nobody when it wakes", async(function()
    waiters("a")

    list:wake()

    assert.same({}, log)
    settle()
    assert.same({"a"}, log)
  end))

  it("says how many it woke", async(function()
    waiters("a", "b")

    assert.equal(0, list:wake(0))
    assert.equal(0, list:wake(-3))
    assert.equal(2, list:wake(1000))
    assert.equal(0, list:wake())
  end))

  it("forgets a waiter that is cancelled", async(function()
    local a = waiters("a", "b")

    a:cancel()

    assert.equal(1, list:count())
    list:wake()
    settle()
    assert.same({"b"}, log)
    assert.is_true(a:cancelled())
  end))

  it("passes the wake-up of a cancelled waiter on", async(function()
    local a = waiters("a", "b")

    list:wake()
    a:cancel()
    settle()

    assert.is_true(a:cancelled())
    assert.same({"b"}, log)
  end))

  it("passes one wake-up through a line of cancelled waiters", async(function()
    local tasks = table.pack(waiters("a", "b", "c", "d"))

    list:wake(3)
    for i = 1, 3 do tasks[i]:cancel() end
    settle()

    assert.same({"d"}, log)
    assert.equal(0, list:count())
  end))

  it("raises what is thrown at the waiter by a time-out", async(function()
    local ok, err = pcall(await, casync.wait_for(list:wait(), 0))

    assert.is_false(ok)
    assert.is_true(casync.TimeoutError:is(err))
    assert.equal(0, list:count())
  end))

  it("cannot be waited for outside a task", function()
    local wait = list:wait()

    local ok, err = pcall(await, wait)

    assert.is_false(ok)
    assert.matches("outside a task", err)
    assert.equal(0, list:count())
  end)

  it("refuses a task of another loop while one waits", function()
    local first, second = casync.Runner(), casync.Runner()
    first:run(function()
      waiter "a"
      settle()
    end)
    -- The runner cancels nothing before it is closed.
    assert.equal(1, list:count())

    local ok, err = pcall(second.run, second, function()
      await(list:wait())
    end)

    assert.is_false(ok)
    assert.matches("<WaitList %[waiters:1%]> is bound to a different event loop",
      err)
    second:close()
    first:close()
    assert.equal(0, list:count())
  end)

  it("can be used with one loop after the other", function()
    for _ = 1, 2 do
      casync.run(function()
        waiter "a"
        settle()
        list:wake()
        settle()
      end)
    end

    assert.same({"a", "a"}, log)
  end)

  it("survives the end of a loop whose tasks wait in it", function()
    local loop = casync.new_event_loop()
    loop:create_task(list:wait())
    loop:create_task(list:wait())
    loop:set_exception_handler(function() end)
    loop:run_until_complete(casync.sleep(0))
    assert.equal(2, list:count())

    loop:close()
    loop = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()

    assert.equal(0, list:count())
    assert.equal(0, list:wake())
  end)

  it("holds a hundred thousand waiters", async(60, function()
    local n, woken = helper.gc and 2000 or 100000, 0
    for _ = 1, n do
      casync.create_task(function()
        await(list:wait())
        woken = woken + 1
      end)
    end
    settle()

    assert.equal(n, list:count())
    assert.equal(n, list:wake(n))
    settle()

    assert.equal(n, woken)
  end))

  it("tells a wrong argument", function()
    assert.has_error(function() list:wake "many" end)
    assert.has_error(function() list:wake(0 / 0) end)
    assert.has_error(function() list.wake({}) end)
    assert.has_error(function() list.wait(io.stdout) end)
  end)
end)
