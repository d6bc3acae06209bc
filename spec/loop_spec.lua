local casync = require "casync"
local core = require "casync.core"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await
local sleep = casync.sleep
local caught =
  helper.caught

describe("A loop", function()
  local loop

  before_each(function() loop = casync.new_event_loop() end)
  after_each(function() loop:close() end)

  it("runs a function, a coroutine object or a future to its end", function()
    local future = loop:create_future()
    loop:call_soon(function() future:set_result(3) end)

    assert.same({1, nil, 2}, {loop:run_until_complete(function()
      return 1, nil, 2
    end)})
    assert.equal(2, loop:run_until_complete(casync.async(function()
      return await(sleep(0, 2))
    end)()))
    assert.equal(3, loop:run_until_complete(future))
    assert.equal(4, loop:run_until_complete(sleep(0, 4)))
  end)

  it("rethrows the error of what it runs", function()
    local err = {}

    assert.equal(err, caught(loop.run_until_complete, loop, function()
      error(err)
    end))
    assert.is_true(casync.CancelledError:is(caught(loop.run_until_complete,
      loop, function() casync.current_task():cancel() end)))
  end)

  it("says when it is stopped before the end", function()
    local future = loop:create_future()
    loop:call_soon(loop.stop, loop)

    assert.has_error(function() loop:run_until_complete(future) end,
      "Event loop stopped before Future completed.")
    loop:call_soon(loop.stop, loop)
    future:set_result(1)
    loop:run_forever()
    assert.equal(1, loop:run_until_complete(future))
  end)

  it("runs until it is stopped, and ends the round", function()
    local log = {}
    loop:call_soon(function()
      loop:stop()
      loop:call_soon(function() log[#log + 1] = "next round" end)
    end)
    loop:call_soon(function() log[#log + 1] = "same round" end)

    loop:run_forever()
    assert.same({"same round"}, log)
    loop:stop()
    loop:run_forever()
    assert.same({"same round", "next round"}, log)
  end)

  it("runs one round when it was stopped before", function()
    local log = {}
    loop:call_soon(function()
      log[#log + 1] = 1
      loop:call_soon(function() log[#log + 1] = 2 end)
    end)
    loop:stop()

    loop:run_forever()

    assert.same({1}, log)
  end)

  it("runs what the last step has scheduled, but not what that schedules",
    function()
      local log = {}
      loop:run_until_complete(function()
        loop:call_soon(function()
          log[#log + 1] = "first"
          loop:call_soon(function() log[#log + 1] = "second" end)
        end)
      end)

      assert.same({"first"}, log)
    end)

  it("knows whether it runs or is closed", function()
    assert.is_false(loop:is_running())
    assert.is_false(loop:is_closed())
    assert.equal("<Loop running=false closed=false debug=false>",
      tostring(loop))
    loop:run_until_complete(function()
      assert.is_true(loop:is_running())
      assert.equal(loop, casync.get_running_loop())
    end)
    assert.is_false(loop:is_running())

    loop:close()

    assert.is_true(loop:is_closed())
    assert.equal("<Loop running=false closed=true debug=false>",
      tostring(loop))
  end)

  it("cannot be run while it or another one runs", function()
    local other <close> = casync.new_event_loop()
    loop:run_until_complete(function()
      local running = "This event loop is already running"
      local another =
        "Cannot run the event loop while another loop is running"
      assert.match(running, caught(loop.run_forever, loop))
      assert.match(running, caught(loop.run_until_complete, loop, sleep(0)))
      assert.match(another, caught(other.run_forever, other))
      assert.match(another,
        caught(other.run_until_complete, other, sleep(0)))
      assert.match("cannot be called from a running event loop",
        caught(casync.run, function() end))
    end)
  end)

  it("cannot be closed while it runs", function()
    loop:run_until_complete(function()
      assert.match("Cannot close a running event loop",
        caught(loop.close, loop))
      await(sleep(0))
    end)
  end)

  it("can be closed twice; then it does nothing any more", function()
    loop:close()
    loop:close()

    local closed = "Event loop is closed"
    assert.match(closed, caught(loop.call_soon, loop, print))
    assert.match(closed, caught(loop.call_later, loop, 1, print))
    assert.match(closed, caught(loop.call_at, loop, 1, print))
    assert.match(closed, caught(loop.create_task, loop, function() end))
    assert.match(closed, caught(loop.run_forever, loop))
    assert.match(closed,
      caught(loop.run_until_complete, loop, function() end))
    loop:stop()
    assert.is_number(loop:time())
    local future = loop:create_future()
    future:set_result(1)
    assert.equal(1, future:result())
  end)

  it("drops what was scheduled when it is closed", function()
    local called = false
    loop:call_soon(function() called = true end)
    local handle = loop:call_later(0, function() called = true end)

    loop:close()
    handle:cancel()

    assert.is_true(handle:cancelled())
    assert.is_false(called)
  end)

  it("can be closed with timers, tasks, gathers and scopes open", function()
    local contexts = helper.capture(loop)
    local scope
    local gathered = loop:run_until_complete(function()
      casync.create_task(function()
        scope = casync.timeout(3600)
        local _ <close> = scope
        await(sleep(3600))
      end)
      local futures = {loop:create_future(), loop:create_future()}
      local g = casync.gather(futures)
      casync.create_task(function() await(casync.wait(futures)) end)
      casync.create_task(function()
        for f in casync.as_completed(futures) do await(f) end
      end)
      casync.create_task(function() await(casync.shield(g)) end)
      settle()
      futures[1]:set_result(1)
      return function() futures[2]:set_result(2) end
    end)
    loop:close()

    gathered()
    assert.has_error(function() scope:reschedule(1) end,
      "Cannot change state of finished Timeout")
    for _, context in ipairs(contexts) do
      assert.equal("Task was destroyed but it is pending!", context.message)
    end
    assert.equal(4, #contexts)
    scope = nil
    collectgarbage()
    collectgarbage()
  end)

  it("is not to be used by its exception handler while it closes", function()
    local errors = {}
    local task = loop:create_task(function() await(sleep(3600)) end)
    local other = loop:create_task(function() await(sleep(3600)) end)
    loop:run_until_complete(sleep(0))
    loop:set_exception_handler(function()
      errors[#errors + 1] = caught(loop.run_forever, loop)
      errors[#errors + 1] = caught(loop.call_soon, loop, print)
      errors[#errors + 1] = caught(task.add_done_callback, task, print)
      loop:close()
      assert.is_false(other:cancel())
    end)

    loop:close()

    assert.equal(6, #errors)
    for _, err in ipairs(errors) do
      assert.match("Event loop is closed", err)
    end
  end)

  it("can be made and closed again and again", function()
    for i = 1, 50 do
      local l <close> = casync.new_event_loop()
      assert.equal(i, l:run_until_complete(sleep(0, i)))
    end
  end)

  it("survives KeyboardInterrupt from a callback, and runs the rest of the "
    .. "round next time", function()
    local log = {}
    loop:call_soon(function() error(casync.KeyboardInterrupt()) end)
    loop:call_soon(function() log[#log + 1] = "rest" end)

    assert.is_true(casync.KeyboardInterrupt:is(
      caught(loop.run_forever, loop)))
    assert.same({}, log)
    assert.is_false(loop:is_running())
    loop:run_until_complete(function() end)
    assert.same({"rest"}, log)
  end)

  it("lets KeyboardInterrupt out of a task, which keeps it", function()
    local task = loop:create_task(function()
      error(casync.KeyboardInterrupt "now")
    end)

    local err = caught(loop.run_forever, loop)

    assert.is_true(casync.KeyboardInterrupt:is(err))
    assert.equal(err, task:exception())
  end)

  it("goes on after an error in a callback", function()
    local contexts = helper.capture(loop)
    local handle = loop:call_soon(error, "oops")
    loop:run_until_complete(sleep(0))

    assert.equal(1, #contexts)
    assert.match("^Exception in callback <Handle ", contexts[1].message)
    assert.equal("oops", contexts[1].exception)
    assert.equal(handle, contexts[1].handle)
  end)

  it("has a clock that never goes back", function()
    local last = loop:time()
    for _ = 1, 100 do
      local now = loop:time()
      assert.is_true(now >= last)
      last = now
    end
  end)

  it("can be in debug mode", function()
    assert.is_false(loop:get_debug())
    loop:set_debug(true)
    assert.is_true(loop:get_debug())
    assert.match("debug=true", tostring(loop))
  end)

  it("has one field that can be set", function()
    assert.equal(0.1, loop.slow_callback_duration)
    loop.slow_callback_duration = 0.5
    assert.equal(0.5, loop.slow_callback_duration)
    assert.match("no field 'other'",
      caught(function() loop.other = 1 end))
    assert.is_nil(loop.other)
  end)

  it("can be collected without having been closed", function()
    local l = casync.new_event_loop()
    l:run_until_complete(sleep(0))
    local weak = setmetatable({l}, {__mode = "v"})
    l = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()

    assert.is_nil(weak[1])
  end)
end)

describe("get_event_loop", function()
  it("gives the running loop", async(function()
    assert.equal(casync.get_running_loop(), casync.get_event_loop())
  end))

  it("gives the one that was set, else a new one", function()
    casync.set_event_loop(nil)
    local made = casync.get_event_loop()
    assert.equal(made, casync.get_event_loop())
    local loop = casync.new_event_loop()
    casync.set_event_loop(loop)
    assert.equal(loop, casync.get_event_loop())
    casync.set_event_loop(nil)
    made:close()
    loop:close()
  end)
end)

describe("get_running_loop", function()
  it("fails where none runs", function()
    assert.has_error(casync.get_running_loop, "no running event loop")
  end)
end)

describe("DeadlockError", function()
  it("is raised where main waits for what can't come", function()
    local cleaned = false
    local err = caught(casync.run, function()
      local _ <close> = setmetatable({}, {__close = function()
        await(sleep(0))
        cleaned = true
      end})
      await(casync.get_running_loop():create_future())
    end)

    assert.is_true(casync.DeadlockError:is(err))
    assert.is_true(cleaned)
  end)

  it("shows who waits for what", function()
    local err = caught(casync.run, function()
      local future = casync.get_running_loop():create_future()
      local task = casync.create_task(function() await(future) end)
      task:set_name("stuck")
      await(task)
    end)

    assert.match("stuck", tostring(err))
    assert.match("Future", tostring(err))
  end)

  it("can be caught, and main goes on", function()
    assert.equal("fine", casync.run(function()
      local future = casync.get_running_loop():create_future()
      assert.is_true(casync.DeadlockError:is(caught(await, future)))
      assert.is_true(casync.DeadlockError:is(caught(await, future)))
      await(sleep(0.001))
      return "fine"
    end))
  end)

  it("is not raised while a timer is set", async(function()
    local loop = casync.get_running_loop()
    local future = loop:create_future()
    loop:call_later(0.002, function() future:set_result(1) end)

    assert.equal(1, await(future))
  end))
end)

describe("The census", function()
  it("counts tasks, timers and ready jobs, and ends where it began",
    async(function()
      local loop = casync.get_running_loop()
      local before = core.census(loop)
      local task = casync.create_task(function() await(sleep(3600)) end)
      assert.equal(before.tasks + 1, core.census(loop).tasks)
      assert.equal(before.ready + 1, core.census(loop).ready)
      settle()
      assert.equal(before.timers + 1, core.census(loop).timers)
      task:cancel()
      settle()

      assert.same(before, core.census(loop))
    end))
end)

describe("run_until_complete", function()
  it("checks what it is given", function()
    local loop <close> = casync.new_event_loop()
    local other <close> = casync.new_event_loop()

    helper.misuse("function or awaitable expected, got number",
      loop.run_until_complete, loop, 5)
    helper.misuse("belongs to a different loop",
      loop.run_until_complete, loop, other:create_future())
  end)
end)

describe("A loop with CASYNC_DEBUG in the environment #programs", function()
  it("is in debug mode", function()
    local process = require "spec.support.process"
    local code = "io.write(tostring("
      .. "require 'casync'.new_event_loop():get_debug()))"

    for value, debugging in pairs {["1"] = "true", ["0"] = "false"} do
      local result = process.run {process.lua, "-e", code,
        env = {CASYNC_DEBUG = value}}
      assert.equal(debugging, result.stdout)
    end
  end)
end)

describe("The report of an error", function()
  it("has the traceback of the task that it names", async(function()
    local loop = casync.get_running_loop()
    local task = casync.create_task(function() error "here" end)
    settle()
    task:exception()
    local text = ""
    local stderr = io.stderr
    io.stderr = {write = function(_, ...)   -- luacheck: ignore
      text = text .. table.concat {...}
    end}
    pcall(loop.call_exception_handler, loop,
      {message = "m", exception = task:exception(), task = task})
    io.stderr = stderr                      -- luacheck: ignore

    assert.matches("here\nstack traceback:", text)
  end))
end)

describe("A KeyboardInterrupt that a task raises", function()
  it("comes out of run_until_complete, and is not reported", function()
    local loop <close> = casync.new_event_loop()
    local contexts = helper.capture(loop)

    local err = helper.raises(casync.KeyboardInterrupt, loop.run_until_complete,
      loop, function() error(casync.KeyboardInterrupt "stop", 0) end)
    collectgarbage()

    assert.equal("stop", err.message)
    assert.same({}, contexts)
  end)
end)
