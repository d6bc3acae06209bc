-- What users get wrong: each wrong use gives an error that says what it was,
-- and none crashes.

local casync = require "casync"
local core = require "casync.core"
local helper = require "spec.helper"
local process = require "spec.support.process"
local caught, newfuture =
  helper.caught, helper.newfuture

local async, settle, await = helper.async, helper.settle, casync.await
local sleep = casync.sleep

local nan = 0 / 0

local function onceused()
  local co = casync.async(function() end)()
  await(co)
  return co
end

local function closedloop()
  local loop = casync.new_event_loop()
  loop:close()
  return loop
end

local function loop() return casync.get_running_loop() end

-- Each: what is done, in a task; the pattern of its error.
local table_of_misuse = {
  -- wrong types and counts
  {"await()", function() await() end, "value expected"},
  {"await(nil)", function() await(nil) end, "awaitable.*got nil"},
  {"await(1)", function() await(1) end, "awaitable.*got number"},
  {"await({})", function() await({}) end, "awaitable.*got table"},
  {"await of a file", function() await(io.stdout) end, "awaitable.*got FILE"},
  {"await of a thread", function() await(coroutine.create(print)) end,
    "awaitable.*got thread"},
  {"await of a loop", function() await(loop()) end, "awaitable"},
  {"await of a function", function() await(print) end, "call it"},
  {"await of an async function", function() await(casync.async(print)) end,
    "call it"},
  {"await of a value whose __await is none", function()
    await(setmetatable({}, {__await = 42}))
  end, "attempt to call a number"},
  {"async()", function() casync.async() end, "function expected"},
  {"async(1)", function() casync.async(1) end, "function expected, got number"},
  {"async with a wrong name", function() casync.async(print, {}) end,
    "string expected"},
  {"create_task()", function() casync.create_task() end,
    "function or awaitable expected, got nil"},
  {"create_task(1)", function() casync.create_task(1) end,
    "function or awaitable expected, got number"},
  {"create_task({})", function() casync.create_task({}) end,
    "function or awaitable expected, got table"},
  {"create_task with arguments for a coroutine object", function()
    casync.create_task(sleep(0), 1)
  end, "table expected, got number"},
  {"create_task with too many arguments", function()
    casync.create_task(sleep(0), {}, 1)
  end, "too many arguments"},
  {"create_task with an unknown option", function()
    casync.create_task(sleep(0), {nmae = "x"})
  end, "unknown option 'nmae'"},
  {"ensure_future()", function() casync.ensure_future() end, "expected"},
  {"ensure_future(1)", function() casync.ensure_future(1) end,
    "function or awaitable expected, got number"},
  {"sleep()", function() sleep() end, "number expected, got no value"},
  {"sleep('x')", function() sleep("x") end, "number expected, got string"},
  {"sleep({})", function() sleep({}) end, "number expected, got table"},
  {"sleep(nan)", function() sleep(nan) end, "NaN"},
  {"sleep awaited twice", function()
    local op = sleep(0.0001)
    await(op)
    await(op)
  end, "cannot await this sleep again"},
  {"gather of nil", function() casync.gather(nil) end, "got nil"},
  {"gather of a number", function() casync.gather(sleep(0), 1) end,
    "got number"},
  {"gather with a hole", function() casync.gather({sleep(0), nil, sleep(0),
    n = 3}) end, "got nil"},
  {"gather with a negative length", function() casync.gather({n = -1}) end,
    "length of the list is negative"},
  {"gather with a huge length", function()
    casync.gather({n = math.maxinteger})
  end, "expected"},
  {"gather with unknown options", function()
    casync.gather(sleep(0), {return_exception = true})
  end, "unknown option"},
  {"gather with options in its list", function()
    casync.gather({sleep(0), return_exceptions = true})
  end, "after the list"},
  {"gather of a list and more", function()
    casync.gather({sleep(0)}, {}, 1)
  end, "too many arguments"},
  {"wait()", function() casync.wait() end, "list"},
  {"wait of no list", function() casync.wait(newfuture()) end, "list"},
  {"wait({})", function() casync.wait({}) end, "empty"},
  {"wait({1})", function() casync.wait({1}) end, "got number"},
  {"wait with a wrong time-out", function()
    casync.wait({sleep(0)}, {timeout = "x"})
  end, "number of seconds expected"},
  {"wait with NaN", function() casync.wait({sleep(0)}, {timeout = nan}) end,
    "NaN"},
  {"wait with a wrong return_when", function()
    casync.wait({sleep(0)}, {return_when = 1})
  end, "Invalid return_when"},
  {"wait_for()", function() casync.wait_for() end, "expected, got nil"},
  {"wait_for(1, 1)", function() casync.wait_for(1, 1) end,
    "expected, got number"},
  {"wait_for with a wrong time-out", function()
    casync.wait_for(sleep(0), "x")
  end, "number of seconds expected"},
  {"wait_for with NaN", function() casync.wait_for(sleep(0), nan) end, "NaN"},
  {"shield()", function() casync.shield() end, "expected, got nil"},
  {"shield({})", function() casync.shield({}) end, "expected, got table"},
  {"as_completed()", function() casync.as_completed() end, "list"},
  {"as_completed({1})", function() casync.as_completed({1}) end, "got number"},
  {"as_completed with NaN", function()
    casync.as_completed({sleep(0)}, {timeout = nan})
  end, "NaN"},
  {"timeout('x')", function() casync.timeout("x") end,
    "number of seconds expected"},
  {"timeout(nan)", function() casync.timeout(nan) end, "NaN"},
  {"timeout_at({})", function() casync.timeout_at({}) end,
    "number of seconds expected"},
  {"with_timeout(1)", function() casync.with_timeout(1) end, "expected"},
  {"move_on_after without a function", function()
    casync.move_on_after(1, 2)
  end, "expected, got number"},
  {"shielded(1)", function() casync.shielded(1) end, "expected, got number"},
  {"reschedule of a left scope", function()
    local scope
    do
      local t <close> = casync.timeout(1)
      scope = t
    end
    scope:reschedule(1)
  end, "Cannot change state of finished Timeout"},
  {"reschedule to NaN", function()
    local t <close> = casync.timeout(1)
    t:reschedule(nan)
  end, "NaN"},
  {"call_soon()", function() loop():call_soon() end, "expected"},
  {"call_soon(1)", function() loop():call_soon(1) end,
    "function expected, got number"},
  {"call_later of nothing", function() loop():call_later(1) end,
    "function expected"},
  {"call_later without a delay", function() loop():call_later(print) end,
    "number expected"},
  {"call_later(nan)", function() loop():call_later(nan, print) end, "NaN"},
  {"call_at(nan)", function() loop():call_at(nan, print) end, "NaN"},
  {"call_soon with too many arguments", function()
    loop():call_soon(print, table.unpack({}, 1, 1000))
  end, "too many arguments"},
  {"add_done_callback()", function() newfuture():add_done_callback() end,
    "function expected"},
  {"add_done_callback({})", function() newfuture():add_done_callback({}) end,
    "function expected, got table"},
  {"add_done_callback with an unknown option", function()
    newfuture():add_done_callback(print, {ctx = 1})
  end, "unknown option 'ctx'"},
  {"remove_done_callback()", function()
    newfuture():remove_done_callback()
  end, "value expected"},
  {"set_exception()", function() newfuture():set_exception() end,
    "value expected"},
  {"set_exception_handler(1)", function()
    loop():set_exception_handler(1)
  end, "function or nil"},
  {"call_exception_handler()", function() loop():call_exception_handler() end,
    "table expected"},
  {"set_task_factory(1)", function() loop():set_task_factory(1) end,
    "function or nil"},
  {"set_event_loop(1)", function() casync.set_event_loop(1) end,
    "loop or nil expected"},
  {"slow_callback_duration = 'x'", function()
    loop().slow_callback_duration = "x"
  end, "number expected"},
  {"set_name()", function() casync.current_task():set_name() end,
    "value expected"},
  {"current_task of no loop", function() core.current_task(1) end,
    "Loop expected"},
  {"all_tasks of no loop", function() casync.all_tasks(1) end,
    "Loop expected"},
  {"coroutine.wrap()", function() casync.coroutine.wrap() end,
    "function expected"},
  {"coroutine.resume(1)", function() casync.coroutine.resume(1) end,
    "coroutine expected"},
  {"map of nothing", function() casync.map() end, "function expected"},
  {"map without items", function() casync.map(print) end, "expected, got nil"},
  {"retry of nothing", function() casync.retry() end, "function expected"},

  -- awaiting oneself, things used twice
  {"await of oneself", function() await(casync.current_task()) end,
    "Task cannot await on itself"},
  {"a coroutine object awaited twice", function() await(onceused()) end,
    "cannot reuse already awaited coroutine"},
  {"a coroutine object scheduled twice", function()
    casync.create_task(onceused())
  end, "cannot reuse already awaited coroutine"},
  {"a used coroutine object in gather", function()
    casync.gather(onceused())
  end, "cannot reuse already awaited coroutine"},
  {"a result set twice", function()
    local future = newfuture()
    future:set_result(1)
    future:set_result(2)
  end, "InvalidStateError"},
  {"a result set on a task", function()
    casync.current_task():set_result(1)
  end, "Task does not support"},
  {"an error set on a gather", function()
    casync.gather():set_exception(1)
  end, "gather or shield"},

  -- loops
  {"run inside a task", function() casync.run(print) end,
    "cannot be called from a running event loop"},
  {"run_forever inside a task", function() loop():run_forever() end,
    "already running"},
  {"another loop inside a task", function()
    local other <close> = casync.new_event_loop()
    other:run_until_complete(sleep(0))
  end, "another loop is running"},
  {"a running loop closed", function() loop():close() end,
    "Cannot close a running event loop"},
  {"a future of another loop awaited", function()
    local other <close> = casync.new_event_loop()
    await(other:create_future())
  end, "different loop"},
  {"a future of a closed loop awaited", function()
    local other = casync.new_event_loop()
    local future = other:create_future()
    other:close()
    await(future)
  end, "different loop"},
  {"a future of another loop in wait", function()
    local other <close> = casync.new_event_loop()
    await(casync.wait {other:create_future()})
  end, "different loop"},
  {"call_soon on a closed loop", function() closedloop():call_soon(print) end,
    "Event loop is closed"},
  {"create_task on a closed loop", function()
    closedloop():create_task(function() end)
  end, "Event loop is closed"},
  {"current_task on a closed loop", function()
    core.current_task(closedloop())
  end, "Event loop is closed"},
  {"all_tasks on a closed loop", function()
    casync.all_tasks(closedloop())
  end, "Event loop is closed"},
  {"set_debug on a closed loop", function() closedloop():set_debug(true) end,
    "Event loop is closed"},
  {"slow_callback_duration of a closed loop", function()
    closedloop().slow_callback_duration = 1
  end, "Event loop is closed"},
}

describe("Misuse", function()
  for _, row in ipairs(table_of_misuse) do
    local name, misuse, pattern = table.unpack(row)

    it("is reported: " .. name, async(function()
      local err = caught(misuse)

      assert.match(pattern, tostring(err))
      settle()
      collectgarbage()
    end))
  end

  it("of run says what was expected", function()
    for _, value in ipairs {1, "x", {}, io.stdout} do
      assert.match("function or coroutine object was expected",
        caught(casync.run, value))
    end
    assert.match("function or coroutine object", caught(casync.run))
    assert.match("unknown option 'debgu'",
      caught(casync.run, sleep(0), {debgu = true}))
    assert.match("too many arguments", caught(casync.run, sleep(0), {}, 1))
    assert.match("unknown option", caught(casync.Runner, {loop = 1}))
    assert.match("function expected", caught(casync.Runner,
      {loop_factory = 1}))
    local runner = casync.Runner()
    runner:close()
    assert.match("Runner is closed", caught(runner.run, runner, print))
  end)

  it("outside of any loop says what to do", function()
    for name, misuse in pairs {
      await = function() await(sleep(0)) end,
      create_task = function() casync.create_task(print) end,
      timeout = function() casync.timeout(1) end,
      timeout_at = function() casync.timeout_at(1) end,
      TaskGroup = function() casync.TaskGroup() end,
      get_running_loop = function() casync.get_running_loop() end,
      all_tasks = function() casync.all_tasks() end,
    } do
      local err = caught(misuse)
      assert.is_string(err, name)
      assert.is_nil(err:find("attempt to", 1, true), name .. ": " .. err)
    end
  end)

  it("has the position of the caller", async(function()
    for _, misuse in ipairs {
      function() casync.create_task(1) end,
      function() casync.gather(1) end,
      function() casync.wait({}) end,
      function() casync.wait_for(1, 1) end,
      function() casync.timeout("x") end,
      function() await(1) end,
      function() sleep("x") end,
    } do
      assert.match("^spec/badinput_spec.lua:%d+: ", caught(misuse))
    end
  end))
end)

describe("Strange delays", function()
  it("below zero, and infinite, are taken as what they mean",
    async(function()
      for _, delay in ipairs {-1, -1e300, -math.huge, 0, -0.0} do
        await(sleep(delay))
      end
      for _, delay in ipairs {math.huge, 1e300, 2 ^ 62} do
        local task = casync.create_task(sleep(delay))
        await(sleep(0.001))
        assert.is_false(task:done())
        task:cancel()
      end
      local t <close> = casync.timeout(math.huge)
      t:reschedule(nil)
      t:reschedule(1e300)
    end))
end)

describe("Strange errors", function()
  -- Not nil: error(nil) is kept as a string.
  local values = {
    false, 0, "", {}, print, io.stdout, coroutine.create(print),
    setmetatable({}, {__tostring = function() error("no text") end}),
    setmetatable({}, {__tostring = function() return {} end}),
    setmetatable({}, {__eq = function() error("no eq") end}),
    setmetatable({}, {__index = function() error("no index") end}),
    setmetatable({}, {__metatable = "locked"}),
    setmetatable({}, setmetatable({}, {__index = function() error("no") end})),
    setmetatable({}, {parent = {parent = 1}}),
    casync.Error, casync.CancelledError,
  }

  it("come out of tasks, futures, gathers and run as they are", function()
    for _, value in ipairs(values) do
      local ok, err = pcall(casync.run, function()
        local task = casync.create_task(error, value)
        local _, a = pcall(await, task)
        local future = newfuture()
        future:set_exception(value)
        local _, b = pcall(await, future)
        local _, c = pcall(await, casync.gather(function() error(value, 0) end))
        local _, d = pcall(await, casync.wait_for(function()
          error(value, 0)
        end, 5))
        local group = await(casync.gather({function() error(value, 0) end},
          {return_exceptions = true}))
        for _, got in ipairs {{a}, {b}, {c}, {d}, {group[1].error}} do
          assert(rawequal(got[1], value))
        end
        assert(type(tostring(task)) == "string")
        assert(type(tostring(future)) == "string")
        error(value, 0)
      end)
      assert.is_false(ok)
      assert.is_true(rawequal(value, err))
    end
  end)

  it("go through reports", async(function()
    local text = 0
    local stderr = io.stderr
    io.stderr = {write = function() text = text + 1 end} -- luacheck: ignore
    local ok, err = pcall(function()
      for _, value in ipairs(values) do
        casync.create_task(error, value)
        newfuture():set_exception(value)
        loop():call_soon(error, value)
      end
      settle()
      collectgarbage()
      collectgarbage()
    end)
    io.stderr = stderr -- luacheck: ignore

    assert.is_true(ok, err)
    assert.equal(3 * #values, text)
  end))

  it("in error handlers end the task, not the loop", async(function()
    local task = casync.create_task(function()
      return xpcall(error, function() error("again") end, "first")
    end)
    assert.is_false((await(task)))

    task = casync.create_task(function()
      local function deep() return deep() + 1 end
      return deep()
    end)
    assert.match("stack overflow", caught(await, task))

    task = casync.create_task(function()
      local _ <close> = setmetatable({}, {__close = function()
        error("in close", 0)
      end})
      error("in body", 0)
    end)
    assert.equal("in close", caught(await, task))
  end))

  it("in finalizers are only warned about", async(function()
    setmetatable({}, {__gc = function() error("in gc") end})
    collectgarbage()
    await(sleep(0))
  end))
end)

describe("os.exit in a task #programs", function()
  for _, call in ipairs {"os.exit(7)", "os.exit(7, true)",
                         "os.exit(7, false)"} do
    it("ends the process: " .. call, function()
      for _, where in ipairs {
        "%s",
        "casync.create_task(function() %s end) casync.await(casync.sleep(9))",
        "casync.get_running_loop():call_soon(function() %s end) "
          .. "casync.await(casync.sleep(9))",
        "casync.await(casync.gather(function() local t <close> = "
          .. "casync.timeout(5) casync.await(casync.sleep(0)) %s end, "
          .. "casync.sleep(9)))",
      } do
        local name = os.tmpname()
        local file = assert(io.open(name, "w"))
        file:write('local casync = require "casync"\n',
          "casync.run(function() ", where:format(call), " end)\n")
        file:close()
        local result = process.run_lua(name, {timeout = 20})
        os.remove(name)

        assert.equal(7, result.status, result.stderr)
      end
    end)
  end

  it("at the end of a script, with loops and tasks left open", function()
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write [[
      local casync = require "casync"
      loop = casync.new_event_loop()
      loop:set_exception_handler(function() end)
      task = loop:create_task(function()
        scope = casync.timeout(5)
        casync.await(casync.gather(casync.sleep(9), loop:create_future()))
      end)
      loop:call_later(3600, print)
      loop:run_until_complete(casync.sleep(0.001))
      co = coroutine.wrap(function()
        casync.run(function() coroutine.yield(1) end)
      end)
      pcall(co)
    ]]
    file:close()
    local result = process.run_lua(name, {timeout = 20})
    os.remove(name)

    assert.equal(0, result.status, result.stderr)
  end)
end)

describe("A wrong self", function()
  -- An object of each kind that has methods.
  local function objects()
    local l = loop()
    local scope = casync.timeout(3600)
    local list = {
      future = newfuture(),
      task = casync.create_task(sleep(0)),
      gather = casync.gather(sleep(0)),
      coroutine = casync.async(function() end)(),
      operation = sleep(0.001),
      turn = sleep(0),
      loop = l,
      handle = l:call_soon(function() end),
      timer = l:call_later(0, function() end),
      scope = scope,
      watch = core.watch {newfuture()},
      lock = casync.Lock(),
      event = casync.Event(),
      semaphore = casync.Semaphore(1),
      condition = casync.Condition(),
      barrier = casync.Barrier(2),
      queue = casync.Queue(),
      priority = casync.PriorityQueue(),
      var = casync.ContextVar("v"),
      context = casync.copy_context(),
      generator = casync.generator(function() end)(),
      runner = casync.Runner(),
      failure = casync.Error "x",
      thread = coroutine.create(print),
      file = io.stdout,
      lightweight = debug.upvalueid(function() return l end, 1),
      number = 1,
      string = "x",
      table = {},
      fn = print,
    }
    return list, scope
  end

  local skip = {
    -- They take what they get, and wait for it.
    run_forever = true, run_until_complete = true, run = true, await = true,
  }

  -- Every function that can be reached from the metatable of a value.
  local function methodsof(value)
    local found = {}
    local function add(where, key, fn)
      if type(fn) == "function" and not skip[key] then
        found[#found + 1] = {where .. "." .. tostring(key), fn, key}
      end
    end
    local meta = debug.getmetatable(value)
    if not meta or type(value) == "string" or value == io.stdout then
      return found
    end
    for key, fn in pairs(meta) do add("meta", key, fn) end
    local index = rawget(meta, "__index")
    if type(index) == "table" then
      for key, fn in pairs(index) do add("method", key, fn) end
    end
    return found
  end

  it("never crashes, whatever it is", async(30, function()
    helper.capture()
    local list, scope = objects()
    for key, fn in pairs(core.LoopMethods) do
      if type(fn) == "function" and not skip[key] then
        for _, wrong in pairs(list) do
          if wrong ~= list.loop then pcall(fn, wrong) end
        end
        pcall(fn)
        pcall(fn, nil)
      end
    end
    local n = 0
    for _, value in pairs(list) do
      for _, method in ipairs(methodsof(value)) do
        local fn, key = method[2], method[3]
        if key ~= "__gc" then
          pcall(fn)
          pcall(fn, nil)
        end
        for _, wrong in pairs(list) do
          if type(wrong) ~= type(value)
              or debug.getmetatable(wrong) ~= debug.getmetatable(value) then
            n = n + 1
            pcall(fn, wrong)
            pcall(fn, wrong, value)
          end
        end
      end
    end
    core.close_coroutine(list.coroutine)
    pcall(list.watch.close, list.watch)
    core.scope_exit(scope, nil)
    list.runner:close()
    list.task:cancel()
    list.gather:cancel()
    pcall(await, list.gather)
    settle()

    assert.is_true(n > 1000)
  end))

  it("is refused by each method of each kind in C", async(function()
    local list, scope = objects()
    local kinds = {"future", "task", "gather", "handle", "loop", "scope",
      "watch", "lock", "event", "semaphore", "queue"}
    for _, kind in ipairs(kinds) do
      local value = list[kind]
      for _, method in ipairs(methodsof(value)) do
        local name, fn, key = table.unpack(method)
        local info = debug.getinfo(fn, "S")
        if info.what == "C" and key ~= "__gc"
            and not casync.iscoroutinefunction(fn) then
          for _, wrong in ipairs {io.stdout, {}, 1, list.lightweight,
                                  sleep(0)} do
            local ok = pcall(fn, wrong, 1, 1)
            assert.is_false(ok, kind .. " " .. name)
          end
        end
      end
    end
    core.close_coroutine(list.coroutine)
    core.scope_exit(scope, nil)
    list.runner:close()
    settle()
    await(list.gather)
  end))

  it("made by a wrong metatable is refused", async(function()
    helper.capture()
    local list, scope = objects()
    local users = {}
    for name, value in pairs(list) do
      if type(value) == "userdata" and value ~= io.stdout
          and name ~= "lightweight" then
        users[#users + 1] = value
      end
    end
    local metas = {}
    for i, value in ipairs(users) do metas[i] = debug.getmetatable(value) end
    metas[#metas + 1] = debug.getmetatable(io.stdout)
    for i, value in ipairs(users) do
      for j, meta in ipairs(metas) do
        if i ~= j then
          debug.setmetatable(value, meta)
          for _, method in ipairs(methodsof(value)) do
            local key = method[3]
            if key ~= "__gc" and meta ~= metas[i]
                and meta ~= debug.getmetatable(io.stdout) then
              pcall(method[2], value, 1)
            end
          end
          pcall(tostring, value)
          pcall(function() return value.x end)
        end
      end
      debug.setmetatable(value, metas[i])
    end
    local file = io.tmpfile()
    local own = debug.getmetatable(file)
    for _, meta in ipairs(metas) do
      if meta == own then break end     -- it comes last
      debug.setmetatable(file, meta)
      for _, method in ipairs(methodsof(file)) do pcall(method[2], file, 1) end
      pcall(await, file)
      pcall(casync.gather, file)
      debug.setmetatable(file, own)
    end
    file:close()
    core.close_coroutine(list.coroutine)
    core.scope_exit(scope, nil)
    list.runner:close()
    settle()
    list.task:cancel()
    settle()
  end))

  it("of an object whose finalizer has run is refused or harmless",
    async(function()
      helper.capture()
      for _, make in ipairs {
        function() return core.watch {newfuture()} end,
        function() return casync.new_event_loop() end,
        function() return casync.gather(newfuture()) end,
      } do
        await(casync.create_task(function()
          local value = make()
          local gc = debug.getmetatable(value).__gc
          gc(value)
          gc(value)
          for _, method in ipairs(methodsof(value)) do
            pcall(method[2], value, 1)
          end
        end))
      end
      collectgarbage()
      settle()
    end))

  it("of an object that has lost its metatable is harmless",
    async(function()
      helper.capture()
      await(casync.create_task(function()
        for _, make in ipairs {
          newfuture,
          function() return casync.create_task(sleep(0)) end,
          function() return casync.gather(sleep(0)) end,
          function() return casync.timeout(0.001) end,
          function() return casync.timeout(5) end,
          function() return sleep(0.001) end,
          function() return loop():call_soon(function() end) end,
        } do
          debug.setmetatable(make(), nil)
        end
        collectgarbage()
        collectgarbage()
        pcall(await, sleep(0.002))
      end))
      settle()
      collectgarbage()
    end))
end)
