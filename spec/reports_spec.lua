-- What is reported to the exception handler, and what is not.

local casync = require "casync"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await
local sleep = casync.sleep
local newfuture =
  helper.newfuture

local function collect()
  collectgarbage()
  collectgarbage()
end

-- What a script of its own prints to standard error.
local function stderr_of(body)
  local loop = casync.new_event_loop()
  local stderr, text = io.stderr, {}
  io.stderr = {write = function(self, ...)  -- luacheck: ignore
    for _, part in ipairs {...} do text[#text + 1] = part end
    return self
  end}
  local ok, err = pcall(body, loop)
  loop:close()
  io.stderr = stderr  -- luacheck: ignore
  if not ok then error(err, 0) end
  return table.concat(text)
end

describe("An error that nobody asks for", function()
  it("is reported when its task is collected, with the traceback",
    async(function()
      local contexts = helper.capture()
      local function failing() error({"oops"}) end
      casync.create_task(function()
        failing()
        return 1
      end)
      settle()
      collect()

      assert.equal(1, #contexts)
      local context = contexts[1]
      assert.equal("Task exception was never retrieved", context.message)
      assert.same({"oops"}, context.exception)
      assert.is_true(context.future:done())
      assert.match("in upvalue 'failing'", context.traceback)
    end))

  it("is reported for a future too, once", async(function()
    local contexts = helper.capture()
    newfuture():set_exception("oops")
    collect()
    collect()

    assert.equal(1, #contexts)
    assert.equal("Future exception was never retrieved", contexts[1].message)
    assert.equal("oops", contexts[1].exception)
  end))

  it("is reported while the loop is idle", async(function()
    local contexts = helper.capture()
    casync.create_task(error, "oops")
    local n = 0
    while #contexts == 0 and n < 100 do
      await(sleep(0.001))
      n = n + 1
    end

    assert.equal(1, #contexts)
  end))

  it("is reported at the end of run", function()
    local loop
    local contexts
    local runner = casync.Runner()
    runner:run(function()
      loop = casync.get_running_loop()
      contexts = helper.capture(loop)
      casync.create_task(error, "oops")
      await(sleep(0))
    end)
    runner:close()

    assert.equal(1, #contexts)
  end)

  it("that a callback raises again has both places", async(function()
    local contexts = helper.capture()
    local task = casync.create_task(function() error "oops" end)
    settle()
    casync.get_running_loop():call_soon(function() task:result() end)
    settle()

    assert.equal(1, #contexts)
    local first, second = contexts[1].traceback:match(
      "^(.*)\nraised again:\n(.*)$")
    assert.match("in function 'error'", first)
    assert.match("'?result'?", second)
  end))

  it("is not reported when somebody has seen it", async(function()
    local contexts = helper.capture()
    local function failing() return casync.create_task(error, "oops") end
    pcall(await, failing())
    local task = failing()
    settle()
    task:exception()
    task = failing()
    settle()
    pcall(task.result, task)
    task = failing()
    settle()
    task:cancel()
    local future = newfuture()
    future:set_exception("x")
    pcall(await, future)
    task, future = nil, nil -- luacheck: ignore
    collect()

    assert.same({}, contexts)
  end))

  it("is not reported while somebody could ask", async(function()
    local contexts = helper.capture()
    local task = casync.create_task(error, "oops")
    settle()
    collect()
    assert.same({}, contexts)

    assert.equal("oops", task:exception())
  end))

  it("is not reported when the task was cancelled", async(function()
    local contexts = helper.capture()
    local task = casync.create_task(sleep(3600))
    settle()
    task:cancel()
    settle()
    task = nil -- luacheck: ignore
    collect()

    assert.same({}, contexts)
  end))
end)

describe("A time-out that is left open", function()
  it("is reported with the place where it was made", async(function()
    local contexts = helper.capture()
    local line = debug.getinfo(1, "l").currentline + 2
    await(casync.create_task(function()
      casync.timeout(5)
    end))

    assert.equal(1, #contexts)
    assert.match(("timeout made at .*reports_spec.lua:%d was still open")
      :format(line), contexts[1].message)
  end))

  it("is reported with that place also when it was made by pcall",
    async(function()
      local contexts = helper.capture()
      local line = debug.getinfo(1, "l").currentline + 2
      await(casync.create_task(function()
        pcall(casync.timeout, 5)
      end))

      assert.match(("timeout made at .*reports_spec.lua:%d was still open")
        :format(line), contexts[1].message)
    end))
end)

describe("A coroutine object that is forgotten", function()
  it("is reported by its name when it is collected", async(function()
    local contexts = helper.capture()
    local forgotten = casync.async(function() end)
    forgotten()
    forgotten()
    collect()

    assert.is_true(#contexts >= 1)
    assert.match("^coroutine 'forgotten' %(.*reports_spec.lua:%d+%) was "
      .. "never awaited$", contexts[1].message)
    await(forgotten())
    collect()
    assert.equal(2, #contexts)
  end))

  it("is reported at the end of run, the last one too", function()
    local text = stderr_of(function()
      casync.run(function() casync.async(function() end, "last")() end)
      collect()
    end)

    assert.match("coroutine 'last' .* was never awaited", text)
  end)

  it("is reported with where it was made in debug mode", function()
    local contexts
    local runner <close> = casync.Runner {debug = true}
    runner:run(function()
      contexts = helper.capture()
      local forgotten = casync.async(function() end)
      local function maker()
        forgotten()
        await(forgotten())
      end
      maker()
      collect()
    end)

    assert.match("'maker'", contexts[1].source_traceback)
  end)

  it("is not reported when it failed, or its task was cancelled before it "
    .. "began", async(function()
    local contexts = helper.capture()
    local fn = casync.async(error)
    pcall(await, fn("oops"))
    local task = casync.create_task(fn("oops"))
    task:cancel()
    settle()
    collect()

    assert.same({}, contexts)
  end))

  it("is reported for functions that give coroutine objects",
    async(function()
      local contexts = helper.capture()
      casync.wait_for(sleep(0), 1)
      casync.wait_for(sleep(0), 1)
      collect()

      assert.match("'wait_for'", contexts[1].message)
      await(sleep(0))
    end))
end)

describe("A pending task", function()
  it("is reported when its loop is closed", function()
    local loop = casync.new_event_loop()
    local contexts = helper.capture(loop)
    local parked = loop:create_task(function() await(sleep(3600)) end)
    loop:run_until_complete(sleep(0))
    local fresh = loop:create_task(function() end)
    loop:close()

    assert.equal(2, #contexts)
    for _, context in ipairs(contexts) do
      assert.equal("Task was destroyed but it is pending!", context.message)
    end
    assert.equal(parked, contexts[1].task)
    assert.equal(fresh, contexts[2].task)
  end)
end)

describe("A callback that throws", function()
  it("is reported with its handle and traceback", async(function()
    local contexts = helper.capture()
    local function failing() error("oops") end
    local handle = casync.get_running_loop():call_soon(failing)
    casync.get_running_loop():call_later(0, error, {"table"})
    await(sleep(0.001))

    assert.equal(2, #contexts)
    assert.match("^Exception in callback <Handle failing%(%) at",
      contexts[1].message)
    assert.match("oops", contexts[1].exception)
    assert.equal(handle, contexts[1].handle)
    assert.match("reports_spec.lua", contexts[1].traceback)
    assert.same({"table"}, contexts[2].exception)
  end))

  it("may throw nil", async(function()
    local contexts = helper.capture()
    casync.get_running_loop():call_soon(error)
    settle()

    assert.equal("nil error", contexts[1].exception)
  end))
end)

describe("The exception handler", function()
  it("is the default one, which prints", function()
    local text = stderr_of(function(loop)
      loop:call_soon(error, "oops")
      loop:run_until_complete(sleep(0))
    end)

    assert.match("^Exception in callback", text)
    assert.match("\nhandle: <Handle", text)
    assert.match("\noops\n", text)
  end)

  it("prints the lines of the context sorted", function()
    local text = stderr_of(function(loop)
      loop:call_exception_handler {message = "m", zebra = 1, ant = 2}
    end)

    assert.equal("m\nant: 2\nzebra: 1\n", text)
  end)

  it("has a message when there is none", function()
    assert.match("^Unhandled exception in event loop", stderr_of(function(loop)
      loop:call_exception_handler {}
    end))
  end)

  it("can be replaced and asked for", async(function()
    local loop = casync.get_running_loop()
    local function handler() end
    assert.is_nil(loop:get_exception_handler())
    loop:set_exception_handler(handler)
    assert.equal(handler, loop:get_exception_handler())
    loop:set_exception_handler(nil)
    assert.is_nil(loop:get_exception_handler())
  end))

  it("that throws leads to the default one", function()
    local text = stderr_of(function(loop)
      loop:set_exception_handler(function() error("handler oops", 0) end)
      loop:call_soon(error, "oops")
      loop:run_until_complete(sleep(0))
    end)

    assert.match("^Unhandled error in exception handler", text)
    assert.match("handler oops", text)
  end)

  it("of the default kind never raises, whatever the error is", function()
    local text = stderr_of(function(loop)
      local nasty = setmetatable({}, {__tostring = function() error("no") end})
      loop:call_soon(error, nasty)
      loop:call_soon(error, setmetatable({}, {__tostring = function()
        return 42
      end}))
      loop:call_exception_handler {message = nasty, [nasty] = nasty}
      loop:run_until_complete(sleep(0))
    end)

    assert.match("%(a table without text%)", text)
  end)

  it("may be one that cannot write", function()
    local loop <close> = casync.new_event_loop()
    local stderr = io.stderr
    io.stderr = {write = function() error("closed") end} -- luacheck: ignore
    loop:call_soon(error, "oops")
    local ok = pcall(loop.run_until_complete, loop, sleep(0))
    io.stderr = stderr -- luacheck: ignore

    assert.is_true(ok)
  end)

  it("lets KeyboardInterrupt through", function()
    local loop <close> = casync.new_event_loop()
    loop:set_exception_handler(function()
      error(casync.KeyboardInterrupt())
    end)

    local ok, err = pcall(loop.call_exception_handler, loop, {})

    assert.is_false(ok)
    assert.is_true(casync.KeyboardInterrupt:is(err))
  end)

  it("runs in the context of the callback", async(function()
    local var = casync.ContextVar("v", "none")
    local seen
    local loop = casync.get_running_loop()
    loop:set_exception_handler(function() seen = var:get() end)
    casync.copy_context():run(function()
      var:set("callback")
      loop:call_soon(error, "oops")
    end)
    settle()

    assert.equal("callback", seen)
  end))

  it("may use the loop", async(function()
    local loop = casync.get_running_loop()
    local done = false
    loop:set_exception_handler(function()
      casync.create_task(function() done = true end)
    end)
    loop:call_soon(error, "oops")
    settle()
    settle()

    assert.is_true(done)
  end))

  it("cannot wait", async(function()
    local loop = casync.get_running_loop()
    local ok, err
    loop:set_exception_handler(function() ok, err = pcall(await, sleep(0)) end)
    loop:call_soon(error, "oops")
    settle()

    assert.is_false(ok)
    assert.match("await", err)
  end))
end)

describe("Debug mode", function()
  local loop

  before_each(function()
    loop = casync.new_event_loop()
    loop:set_debug(true)
  end)

  after_each(function() loop:close() end)

  local function busy(seconds)
    local stop = loop:time() + seconds
    while loop:time() < stop do end -- luacheck: ignore
  end

  it("reports an operation that nobody awaits, and where it was made",
      function()
    local contexts = helper.capture(loop)
    loop:run_until_complete(function()
      local queue = casync.Queue()
      queue:put("lost")
      await(queue:put("kept"))
      assert.equal(1, queue:qsize())
    end)
    collectgarbage()
    collectgarbage()

    assert.equal(1, #contexts)
    assert.equal("operation 'Queue.put' was never awaited",
      contexts[1].message)
    assert.match("reports_spec", contexts[1].source_traceback)
  end)

  it("lets an operation go that has begun at its call", function()
    local contexts = helper.capture(loop)
    loop:run_until_complete(function()
      local server = await(casync.start_server(function(peer)
        await(peer:read(1))
        peer:close()
      end, "127.0.0.1", 0))
      local stream = await(casync.open_connection(
        server:sockets()[1]:getsockname()))
      stream:write("x")
      stream:close()
      server:close()
      await(server:wait_closed())
    end)
    collectgarbage()
    collectgarbage()

    assert.same({}, contexts)
  end)

  it("reports slow callbacks and slow steps", function()
    loop.slow_callback_duration = 0.1  -- nothing else takes that long
    local contexts = helper.capture(loop)
    loop:run_until_complete(function()
      loop:call_soon(busy, 0.11)
      casync.create_task(function() busy(0.11) end):set_name("slow")
      await(sleep(0))
      await(sleep(0))
    end)

    assert.equal(2, #contexts)
    assert.match("^Executing <Handle .* took 0%.%d+ seconds$",
      contexts[1].message)
    assert.match("^Executing <Task .*name='slow'.* took",
      contexts[2].message)
  end)

  it("reports a slow step of a task that failed, or gave a thing without "
    .. "text", function()
    loop.slow_callback_duration = 0
    local contexts = helper.capture(loop)
    loop:run_until_complete(function()
      local nasty = setmetatable({}, {__tostring = function() error("no") end})
      local task = casync.create_task(error, nasty)
      casync.create_task(function() return nasty end)
      await(sleep(0))
      task:exception()
    end)

    assert.is_true(#contexts > 0)
  end)

  it("reports a swallowed cancellation", function()
    local contexts = helper.capture(loop)
    loop:run_until_complete(function()
      local task = casync.create_task(function()
        pcall(await, sleep(3600))
      end)
      await(sleep(0))
      task:cancel()
      await(task)
    end)

    assert.equal(1, #contexts)
    assert.match("cancelled but ended normally", contexts[1].message)
  end)

  it("can be switched while the loop runs", function()
    loop:set_debug(false)
    loop.slow_callback_duration = 0
    local contexts = helper.capture(loop)
    loop:run_until_complete(function()
      await(sleep(0))
      assert.equal(0, #contexts)
      loop:set_debug(true)
      await(sleep(0))
      await(sleep(0))
      loop:set_debug(false)
    end)

    assert.is_true(#contexts > 0)
  end)
end)

describe("An error that nobody asks for until its loop is closed", function()
  it("is reported without a loop", function()
    local future
    casync.run(function()
      future = casync.get_running_loop():create_future()
      future:set_exception "late"
    end)
    local text = ""
    local stderr = io.stderr
    io.stderr = {write = function(_, ...)   -- luacheck: ignore
      text = text .. table.concat {...}
    end}
    future = nil                            -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    io.stderr = stderr                      -- luacheck: ignore

    assert.matches("Future exception was never retrieved", text)
    assert.matches("late", text)
  end)
end)
