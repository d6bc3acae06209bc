local casync = require "casync"

local await = casync.await

--- Run a script in a process of its own: its output (both streams), its code.
local function script(text)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(text)
  file:close()
  local pipe = assert(io.popen("lua5.4 " .. name .. " 2>&1; echo code $?"))
  local output = pipe:read "a"
  pipe:close()
  os.remove(name)
  return output:match "^(.*)code (%d+)\n$"
end

describe("run", function()
  it("gives all results of its main function, called with the arguments",
    function()
      assert.same({3, nil, "x"}, {casync.run(function(a, b)
        await(casync.sleep(0))
        return a + b, nil, "x"
      end, 1, 2)})
    end)

  it("runs a coroutine object, with options", function()
    local main = casync.async(function(x)
      return x, casync.get_running_loop():get_debug()
    end)

    assert.same({1, true}, {casync.run(main(1), {debug = true})})
    assert.same({2, false}, {casync.run(main(2), {debug = false})})
  end)

  it("rethrows the very error of main", function()
    local err = {}

    local ok, value = pcall(casync.run, function() error(err) end)

    assert.is_false(ok)
    assert.equal(err, value)
  end)

  it("cancels what is left, in order of creation", function()
    local order = {}
    casync.run(function()
      for i = 1, 5 do
        casync.create_task(function()
          local _ <close> = setmetatable({}, {__close = function()
            await(casync.sleep(0))
            order[#order + 1] = i
          end})
          await(casync.sleep(3600))
        end)
      end
      await(casync.sleep(0))
    end)

    assert.same({1, 2, 3, 4, 5}, order)
  end)

  it("cancels also the tasks that the ending ones make", function()
    local cancelled = false
    casync.run(function()
      casync.create_task(function()
        local _ <close> = setmetatable({}, {__close = function()
          casync.create_task(function()
            local ok, err = pcall(await, casync.sleep(3600))
            cancelled = not ok and casync.CancelledError:is(err)
          end)
          await(casync.sleep(0))
        end})
        await(casync.sleep(3600))
      end)
      await(casync.sleep(0))
    end)

    assert.is_true(cancelled)
  end)

  it("reports the errors of tasks it has cancelled", function()
    local reports = {}
    casync.run(function()
      casync.get_running_loop():set_exception_handler(function(_, context)
        reports[#reports + 1] = context
      end)
      casync.create_task(function()
        pcall(await, casync.sleep(3600))
        error("in cleanup", 0)
      end):set_name "bad"
      await(casync.sleep(0))
    end)

    assert.equal(1, #reports)
    assert.equal("unhandled exception during casync.run() shutdown",
      reports[1].message)
    assert.equal("in cleanup", reports[1].exception)
    assert.equal("bad", reports[1].task:get_name())
  end)

  it("cannot be called in a running loop", function()
    casync.run(function()
      assert.error_matches(function() casync.run(function() end) end,
        "casync.run%(%) cannot be called from a running event loop")
    end)
  end)

  it("refuses what is no main, and unknown options", function()
    local main = casync.async(function() end)

    assert.error_matches(function() casync.run(5) end,
      "bad argument #1 to 'run'.*got number")
    assert.error_matches(function() casync.run(nil) end, "got nil")
    local co = main()
    assert.error_matches(function() casync.run(co, {debgu = true}) end,
      "unknown option 'debgu' for 'run'")
    casync.run(co)
  end)

  it("raises DeadlockError in a main that nothing can wake", function()
    local cleaned = false

    local ok, err = pcall(casync.run, function()
      local _ <close> = setmetatable({}, {__close = function()
        await(casync.sleep(0))
        cleaned = true
      end})
      await(casync.get_running_loop():create_future())
    end)

    assert.is_false(ok)
    assert.is_true(casync.DeadlockError:is(err))
    assert.is_true(cleaned)
  end)

  it("prints where an uncaught error was thrown", function()
    local output, code = script [[
      local casync = require "casync"
      local function inner() error("boom") end
      casync.run(function()
        casync.await(casync.sleep(0))
        inner()
      end)
    ]]

    assert.equal("1", code)
    assert.matches("boom", output)
    assert.matches("in upvalue 'inner'", output)
  end)

  it("is silent when its error is caught", function()
    local output, code = script [[
      local casync = require "casync"
      print(pcall(casync.run, function() error("boom", 0) end))
    ]]

    assert.equal("0", code)
    assert.equal("false\tboom\n", output)
  end)
end)

describe("Runner", function()
  it("runs several mains in one loop and context", function()
    local var = casync.ContextVar "var"
    local runner <close> = casync.Runner()
    local loop = runner:get_loop()

    assert.equal(loop, runner:run(function()
      var:set "kept"
      return casync.get_running_loop()
    end))
    assert.equal("kept", runner:run(function() return var:get() end))
    assert.is_nil(var:get())
  end)

  it("uses the loop of its factory, which it closes", function()
    local loop = casync.new_event_loop()
    local runner = casync.Runner {loop_factory = function() return loop end}
    assert.equal(loop, runner:get_loop())

    runner:close()
    runner:close()

    assert.is_true(loop:is_closed())
    assert.error_matches(function() runner:run(function() end) end,
      "Runner is closed")
    assert.error_matches(function() runner:get_loop() end, "Runner is closed")
  end)

  it("is not for a running loop", function()
    local runner <close> = casync.Runner()

    casync.run(function()
      assert.error_matches(function() runner:run(function() end) end,
        "Runner.run%(%) cannot be called from a running event loop")
    end)
  end)

  it("closes the generators left open", function()
    local closed = false
    local numbers = casync.generator(function(yield)
      local _ <close> = setmetatable({}, {__close = function()
        await(casync.sleep(0))
        closed = true
      end})
      yield(1)
    end)
    local keep
    do
      local runner <close> = casync.Runner()
      runner:run(function()
        keep = numbers()
        assert.equal(1, await(keep:next()))
      end)
    end

    assert.is_true(closed)
  end)
end)

describe("run, when a task that is left can never end,", function()
  it("reports it and gives up waiting", function()
    local contexts = {}
    casync.run(function()
      local loop = casync.get_running_loop()
      loop:set_exception_handler(function(_, context)
        contexts[#contexts + 1] = context
      end)
      casync.create_task(function()
        assert(not pcall(await, loop:create_future()))
        await(loop:create_future())
      end)
      await(casync.sleep(0))
    end)

    assert.matches("gives up waiting", contexts[1].message)
    assert.is_true(casync.DeadlockError:is(contexts[1].exception))
  end)
end)

describe("A runner whose loop has a task factory", function()
  it("has it make the main task", function()
    local runner <close> = casync.Runner()
    local loop, made = runner:get_loop(), 0
    loop:set_task_factory(function(l, coro)
      made = made + 1
      return casync.Task(coro, {loop = l})
    end)

    assert.equal("got x", runner:run(function(x) return "got " .. x end, "x"))
    loop:set_task_factory(nil)

    assert.equal(1, made)
  end)
end)
