local casync = require "casync"
local core = require "casync.core"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await
local sleep = casync.sleep
local caught, forever =
  helper.caught, helper.forever

describe("create_task", function()
  it("runs the body later, not at the call", async(function()
    local log = {}

    local task = casync.create_task(function() log[#log + 1] = "body" end)
    log[#log + 1] = "created"
    await(task)

    assert.same({"created", "body"}, log)
  end))

  it("takes a function and its arguments, tables too", async(function()
    local options = {name = "not an option"}

    local task = casync.create_task(function(...) return ... end,
      1, nil, options)

    assert.same({1, nil, options}, {await(task)})
    assert.not_equal("not an option", task:get_name())
  end))

  it("takes an async function and its arguments", async(function()
    local add = casync.async(function(a, b) return a + b end)

    assert.equal(3, await(casync.create_task(add, 1, 2)))
  end))

  it("takes a coroutine object, with options", async(function()
    local add = casync.async(function(a, b) return a + b end)

    local task = casync.create_task(add(1, 2), {name = "adder"})

    assert.equal("adder", task:get_name())
    assert.equal(3, await(task))
  end))

  it("takes operations, futures and values with __await", async(function()
    local future = casync.get_running_loop():create_future()
    local thing = setmetatable({}, {__await = function(self)
      await(sleep(0))
      return self, "second"
    end})

    local tasks = {
      casync.create_task(sleep(0, "slept")),
      casync.create_task(future),
      casync.create_task(thing),
    }
    future:set_result("set")

    assert.equal("slept", await(tasks[1]))
    assert.equal("set", await(tasks[2]))
    assert.same({thing, "second"}, {await(tasks[3])})
  end))

  it("starts tasks in the order of their creation", async(function()
    local order, tasks = {}, {}
    for i = 1, 10 do
      tasks[i] = casync.create_task(function() order[#order + 1] = i end)
    end

    for _, task in ipairs(tasks) do await(task) end

    assert.same({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, order)
  end))

  it("shares its queue with call_soon", async(function()
    local order = {}
    local loop = casync.get_running_loop()
    local function add(what) order[#order + 1] = what end

    loop:call_soon(add, "a")
    casync.create_task(add, "t1")
    loop:call_soon(add, "b")
    casync.create_task(add, "t2")
    settle()

    assert.same({"a", "t1", "b", "t2"}, order)
  end))

  it("makes tasks that nobody else needs to keep", async(function()
    local done = false
    casync.create_task(function()
      local future = casync.get_running_loop():create_future()
      casync.get_running_loop():call_later(0.002, function()
        future:set_result()
      end)
      await(future)
      done = true
    end)
    await(sleep(0))
    collectgarbage()
    collectgarbage()

    await(sleep(0.005))
    settle()

    assert.is_true(done)
  end))

  it("leaves nothing behind when the name cannot be made a string",
    async(function()
      local name = setmetatable({}, {__tostring = function()
        error("no name", 0)
      end})

      local err = caught(casync.create_task, sleep(0), {name = name})

      assert.equal("no name", err)
      assert.equal(1, #casync.all_tasks())
    end))
end)

describe("A task", function()
  it("gives all its results, nil too", async(function()
    local task = casync.create_task(function() return nil, 2, nil end)

    local results = table.pack(await(task))

    assert.equal(3, results.n)
    assert.equal(2, results[2])
    assert.same(results, table.pack(task:result()))
    assert.is_nil(task:exception())
  end))

  it("gives no result when it returned none", async(function()
    local task = casync.create_task(function() end)

    assert.equal(0, select("#", await(task)))
    assert.equal(0, select("#", task:result()))
  end))

  it("raises the very error of its body, for everybody", async(function()
    local err = {"error"}
    local task = casync.create_task(function() error(err) end)

    assert.equal(err, caught(await, task))
    assert.equal(err, caught(await, task))
    assert.equal(err, caught(task.result, task))
    assert.equal(err, task:exception())
    assert.is_true(task:done())
    assert.is_false(task:cancelled())
  end))

  it("keeps error(nil) as a string", async(function()
    local task = casync.create_task(function() error(nil) end)

    assert.equal("nil error", caught(await, task))
  end))

  it("keeps false, and any other value, as an error", async(function()
    local userdata = casync.Lock()
    for _, value in ipairs {42, true, print, userdata, coroutine.create(print)}
    do
      assert.equal(value, caught(await, casync.create_task(error, value)))
    end
    local task = casync.create_task(error, false)

    assert.is_false(caught(await, task))
    assert.is_false(task:exception())
  end))

  it("knows where its error was thrown", async(function()
    local function deepest() error("oops") end
    local task = casync.create_task(function()
      deepest()
      return 1
    end)
    caught(await, task)

    assert.match("in upvalue 'deepest'", task:traceback())
  end))

  it("shows the frames of those that awaited it", async(function()
    local function failing_leaf() error("oops") end
    local inner = casync.create_task(function()
      await(sleep(0))
      failing_leaf()
      return 1
    end)
    local outer = casync.create_task(function()
      local function waiting_root() return (await(inner)) end
      local value = waiting_root()
      return value
    end):set_name("outer")
    caught(await, outer)

    assert.match("failing_leaf", outer:traceback())
    assert.match("awaited by task 'outer'", outer:traceback(), 1, true)
    assert.match("waiting_root", outer:traceback())
  end))

  it("runs its <close> variables, which may await, when it fails",
    async(function()
      local log = {}
      local task = casync.create_task(function()
        local _ <close> = setmetatable({}, {__close = function(_, err)
          await(sleep(0))
          log[#log + 1] = err
        end})
        error("oops", 0)
      end)

      assert.equal("oops", caught(await, task))
      assert.same({"oops"}, log)
    end))

  it("can be awaited by many, who resume in order", async(function()
    local order = {}
    local task = casync.create_task(function()
      await(sleep(0))
      return "x"
    end)
    local waiters = {}
    for i = 1, 5 do
      waiters[i] = casync.create_task(function()
        local x = await(task)
        order[#order + 1] = x .. i
      end)
    end

    await(casync.gather(waiters))

    assert.same({"x1", "x2", "x3", "x4", "x5"}, order)
  end))

  it("cannot await itself", async(function()
    local task
    task = casync.create_task(function() await(task) end)

    assert.match("cannot await on itself", caught(await, task))
  end))

  it("cannot be settled from outside", async(function()
    local task = casync.create_task(forever)

    assert.has_error(function() task:set_result(1) end)
    assert.has_error(function() task:set_exception("x") end)
    task:cancel()
  end))

  it("has a numbered name until it gets another", async(function()
    local first = casync.create_task(forever)
    local second = casync.create_task(forever)
    local n = tonumber(first:get_name():match "^Task%-(%d+)$")

    assert.equal("Task-" .. n + 1, second:get_name())
    assert.equal(first, first:set_name(123))
    assert.equal("123", first:get_name())
    first:cancel()
    second:cancel()
  end))

  it("shows its state, name, function and what it waits for",
    async(function()
      local future = casync.get_running_loop():create_future()
      local function waiting() return (await(future)) end
      local task = casync.create_task(waiting):set_name("w")
      local other = casync.create_task(function() await(task) end)
      settle()

      assert.match("^<Task pending name='w' coro=<waiting%(%) running at "
        .. ".*tasks_spec.lua:%d+> wait_for=<Future pending>>$",
        tostring(task))
      assert.match("wait_for=<Task pending name='w' ", tostring(other))
      future:set_result("r")
      await(other)
      assert.match("^<Task finished name='w' coro=<waiting%(%) done, "
        .. "defined at .*> result='r'>$", tostring(task))
    end))

  it("shows how it ended", async(function()
    local failed = casync.create_task(error, "oops")
    local cancelled = casync.create_task(forever)
    local many = casync.create_task(function() return 1, 2 end)
    settle()
    cancelled:cancel()

    assert.match("^<Task cancelling ", tostring(cancelled))
    settle()
    assert.match("exception='oops'", tostring(failed))
    assert.match("^<Task cancelled ", tostring(cancelled))
    assert.match("result=2 values", tostring(many))
    failed:exception()
  end))

  it("has a text even when its result has none", async(function()
    local task = casync.create_task(function()
      return setmetatable({}, {__tostring = function() error("no") end})
    end)
    await(task)

    assert.match("^<Task finished ", tostring(task))
  end))

  it("can be asked for in a ring without end", async(function()
    local a, b
    a = casync.create_task(function() await(b) end)
    b = casync.create_task(function() await(a) end)
    settle()

    assert.match("wait_for=<Task pending", tostring(a))
    a:cancel()
    settle()
    assert.is_true(a:cancelled())
    assert.is_true(b:cancelled())
  end))

  it("shows its stack while it waits", async(function()
    local function inner() await(sleep(3600)) end
    local function outer() inner() return 1 end
    local task = casync.create_task(outer)
    settle()

    local names = {}
    for i, frame in ipairs(task:get_stack()) do
      names[i] = frame.name
      assert.match("tasks_spec%.lua$", frame.short_src)
      assert.is_true(frame.currentline > 0)
    end
    assert.equal("inner", names[#names])
    local out = {text = "", write = function(self, ...)
      self.text = self.text .. table.concat({...})
    end}
    task:print_stack(out)
    assert.match("in upvalue 'inner'", out.text)
    task:cancel()
    settle()
    assert.same({}, task:get_stack())
  end))

  it("gives its coroutine, which only the loop can resume", async(function()
    local waiting = casync.create_task(function()
      return (await(sleep(0, 7)))
    end)
    local fresh = casync.create_task(function(x) return x end, 1)
    await(sleep(0))
    local late = casync.create_task(function(x) return x end, 2)

    for _, task in ipairs {waiting, late} do
      local co = task:get_coro()
      assert.equal("suspended", coroutine.status(co))
      local _, message = coroutine.resume(co, "intruder")
      assert.match("belongs to a casync task", message)
      assert.match("coroutine of a task",
        caught(casync.coroutine.resume, co, "intruder"))
    end
    assert.equal(7, await(waiting))
    assert.equal(1, await(fresh))
    assert.equal(2, await(late))
    assert.is_nil(late:get_coro())
  end))

  it("cannot have its coroutine closed by others", async(function()
    local waiting = casync.create_task(forever)
    await(sleep(0))
    local fresh = casync.create_task(function() return 1 end)

    for _, task in ipairs {waiting, fresh} do
      assert.match("cannot close the coroutine of a task",
        caught(coroutine.close, task:get_coro()))
    end
    assert.equal(1, await(fresh))
    waiting:cancel()
  end))

  it("is told when it yields to the loop", async(function()
    local err
    local task = casync.create_task(function()
      local ok
      ok, err = pcall(coroutine.yield, 1)
      await(sleep(0))
      return ok
    end)

    assert.is_false(await(task))
    assert.match("only await suspends a task", err)
  end))

  it("gives its context", async(function()
    local var = casync.ContextVar("v", 0)
    local context = casync.copy_context()
    local task = casync.create_task(casync.async(function()
      var:set(5)
    end)(), {context = context})
    await(task)

    assert.equal(context, task:get_context())
    assert.equal(0, var:get())
  end))
end)

describe("An eager task", function()
  local function eager(fn)
    return casync.create_task(casync.async(fn)(), {eager_start = true})
  end

  it("runs to its first wait at the call", async(function()
    local log = {}
    local task = eager(function()
      log[#log + 1] = casync.current_task()
      await(sleep(0))
      log[#log + 1] = "after"
    end)

    assert.same({task}, log)
    await(task)
    assert.equal("after", log[2])
  end))

  it("is done at once when it does not wait", async(function()
    local me = casync.current_task()

    assert.is_true(eager(function() return 1 end):done())
    assert.equal("oops", eager(function() error("oops", 0) end):exception())
    assert.equal(me, casync.current_task())
  end))

  it("nests as deep as one likes", async(function()
    local function nest(n)
      if n == 0 then return 0 end
      return await(eager(function() return nest(n - 1) end)) + 1
    end

    assert.equal(300, nest(300))
  end))

  it("raises KeyboardInterrupt out of create_task, and leaves the creator "
    .. "as it was", async(function()
    local me = casync.current_task()

    local err = caught(eager, function() error(casync.KeyboardInterrupt()) end)

    assert.is_true(casync.KeyboardInterrupt:is(err))
    assert.equal(me, casync.current_task())
    await(sleep(0))
  end))

  it("may cancel the one that makes it", async(function()
    local outer
    outer = casync.create_task(function()
      eager(function() outer:cancel() end)
      await(sleep(3600))
    end)
    settle()

    assert.is_true(outer:cancelled())
  end))

  it("comes from the eager task factory", async(function()
    local loop = casync.get_running_loop()
    loop:set_task_factory(casync.eager_task_factory)
    local task = casync.create_task(function() return 1 end)
    loop:set_task_factory(nil)

    assert.is_true(task:done())
    assert.is_false(casync.create_task(function() end):done())
  end))
end)

describe("A task factory", function()
  it("gets the loop, a coroutine object and the options", async(function()
    local loop = casync.get_running_loop()
    local seen
    local function factory(l, coro, opts)
      seen = {l, casync.iscoroutine(coro), opts.name}
      return casync.Task(coro, {loop = l, name = opts.name})
    end
    loop:set_task_factory(factory)
    assert.equal(factory, loop:get_task_factory())
    local task = casync.create_task(casync.async(function() return 1 end)(),
      {name = "n"})
    loop:set_task_factory(nil)

    assert.same({loop, true, "n"}, seen)
    assert.equal("n", task:get_name())
    assert.equal(1, await(task))
  end))

  it("must give a task", async(function()
    local loop = casync.get_running_loop()
    loop:set_task_factory(function(_, coro)
      core.close_coroutine(coro)
      return {}
    end)
    local err = caught(casync.create_task, function() end)
    loop:set_task_factory(nil)

    assert.match("task factory gave a table", err)
  end))
end)

describe("current_task", function()
  it("is the running task, and nil in a callback", async(function()
    local seen = {}
    local loop = casync.get_running_loop()
    local task = casync.create_task(function()
      seen.first = casync.current_task()
      await(sleep(0))
      seen.second = casync.current_task(loop)
    end)
    loop:call_soon(function()
      seen.callback = casync.current_task() == nil
    end)
    await(task)

    assert.same({first = task, second = task, callback = true}, seen)
  end))

  it("is nil for a loop that does not run, and outside any", function()
    local loop <close> = casync.new_event_loop()

    assert.is_nil(casync.current_task(loop))
    assert.is_nil(casync.current_task())
  end)
end)

describe("all_tasks", function()
  it("lists what has not ended, in order of creation", async(function()
    local main = casync.current_task()
    local done = casync.create_task(function() end)
    local a, b = casync.create_task(forever), casync.create_task(forever)
    await(done)

    assert.same({main, a, b}, casync.all_tasks())
    b:cancel()
    a:cancel()
    settle()
    assert.same({main}, casync.all_tasks())
  end))

  it("needs a running loop", function()
    assert.has_error(function() casync.all_tasks() end,
      "no running event loop")
  end)
end)

describe("ensure_future", function()
  it("gives futures and tasks as they are, and makes tasks", async(function()
    local future = casync.get_running_loop():create_future()
    local task = casync.create_task(function() end)

    assert.equal(future, casync.ensure_future(future))
    assert.equal(task, casync.ensure_future(task))
    assert.equal(1, await(casync.ensure_future(function() return 1 end)))
    assert.equal(2, await(casync.ensure_future(sleep(0, 2))))
  end))
end)

describe("checkpoint", function()
  it("lets the others have a turn", async(function()
    local ran = false
    casync.create_task(function() ran = true end)

    await(casync.checkpoint())

    assert.is_true(ran)
  end))
end)

describe("A task factory", function()
  local made

  -- Makes tasks as without one, and lists them.
  local function factory(loop, coro, opts)
    made[#made + 1] = casync.iscoroutine(coro)
    return casync.Task(coro, {loop = loop, name = opts and opts.name})
  end

  local function looped(body)
    return async(function()
      made = {}
      local loop = casync.get_running_loop()
      loop:set_task_factory(factory)
      local ok, err = pcall(body)
      loop:set_task_factory(nil)
      if not ok then error(err, 0) end
    end)
  end

  it("makes what gather, shield and wait need", looped(function()
    local twice = sleep(0, "op")
    assert.same({1, "op"}, {await(casync.gather(function() return 1 end, twice))})
    assert.equal(2, await(casync.shield(function() return 2 end)))
    assert.equal(3, await(casync.wait_for(casync.async(function()
      return 3
    end)(), 10)))

    assert.is_true(#made >= 3)
    for _, iscoroutine in ipairs(made) do assert.is_true(iscoroutine) end
  end))

  it("makes one task of what is gathered twice", looped(function()
    local coro = casync.async(function() return "once" end)()

    assert.same({"once", "once"}, {await(casync.gather(coro, coro))})

    assert.equal(1, #made)
  end))
end)

describe("A function that is a task", function()
  it("can return a coroutine object that does not wait", async(function()
    local answer = casync.async(function() return 42 end)

    assert.equal(42, await(casync.create_task(function() return answer() end)))
  end))
end)

describe("create_task of a coroutine object", function()
  it("takes no arguments for it", async(function()
    local coro = casync.async(function() end)()

    helper.misuse("only a function can be given arguments",
      casync.with_timeout, 1, coro, "argument")

    await(coro)
  end))
end)

describe("A sleep", function()
  it("takes one round from the timer to the task", async(function()
    local log = {}
    local loop = casync.get_running_loop()
    casync.create_task(function()
      await(sleep(0.001))
      log[#log + 1] = "task"
    end)
    casync.create_task(function()
      loop:call_at(loop:time() + 0.001, function() log[#log + 1] = "callback" end)
      local due = loop:time() + 0.002
      repeat until loop:time() > due    -- both are due in the same turn
    end)

    await(sleep(0.01))

    assert.same({"callback", "task"}, log)
  end))
end)

describe("A task", function()
  it("takes more arguments than there is room for without asking", async(function()
    local task = casync.create_task(function(...)
      return select("#", ...), (select(200, ...))
    end, table.unpack({[200] = "last"}, 1, 200))

    assert.same({200, "last"}, {await(task)})
  end))

  it("takes no more arguments than it can hold", async(function()
    helper.misuse("too many arguments for a task", casync.create_task, print,
      table.unpack({}, 1, 70000))
  end))
end)

describe("A coroutine object that has been gathered", function()
  it("cannot be awaited besides", async(function()
    local coro = casync.async(function() return 1 end)()
    local gathered = casync.gather(coro)

    assert.matches("cannot reuse already awaited coroutine", caught(await, coro))

    assert.equal(1, await(gathered))
  end))
end)
