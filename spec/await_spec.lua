local casync = require "casync"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await
local sleep = casync.sleep
local caught, iscancelled, newfuture =
  helper.caught, helper.iscancelled, helper.newfuture

-- The six cases of each operation that waits. 'make' gives what is awaited, a
-- function that lets it return "result", and one that lets it fail with
-- "oops" (or nil, when it can't).
local waits = {
  ["await of a future"] = function()
    local future = newfuture()
    return future,
      function() future:set_result("result") end,
      function() future:set_exception("oops") end
  end,
  ["await of a task"] = function()
    local future = newfuture()
    local task = casync.create_task(function() return (await(future)) end)
    return task,
      function() future:set_result("result") end,
      function() future:set_exception("oops") end
  end,
  ["await of a coroutine object"] = function()
    local future = newfuture()
    return casync.async(function() return (await(future)) end)(),
      function() future:set_result("result") end,
      function() future:set_exception("oops") end
  end,
  ["await of a value with __await"] = function()
    local future = newfuture()
    return setmetatable({}, {__await = function() return (await(future)) end}),
      function() future:set_result("result") end,
      function() future:set_exception("oops") end
  end,
  ["await of sleep"] = function()
    return sleep(0.001, "result"), function() end
  end,
  ["await of sleep(0)"] = function()
    return sleep(0, "result"), function() end
  end,
  gather = function()
    local future = newfuture()
    return casync.gather(future),
      function() future:set_result("result") end,
      function() future:set_exception("oops") end
  end,
  shield = function()
    local future = newfuture()
    return casync.shield(future),
      function() future:set_result("result") end,
      function() future:set_exception("oops") end
  end,
  wait_for = function()
    local future = newfuture()
    return casync.wait_for(future, 3600),
      function() future:set_result("result") end,
      function() future:set_exception("oops") end
  end,
  ["wait_for without a limit"] = function()
    local future = newfuture()
    return casync.wait_for(future, nil),
      function() future:set_result("result") end,
      function() future:set_exception("oops") end
  end,
  wait = function()
    local future = newfuture()
    return casync.async(function()
        local done = await(casync.wait {future})
        return done[1]:result()
      end)(),
      function() future:set_result("result") end,
      function() future:set_exception("oops") end
  end,
  as_completed = function()
    local future = newfuture()
    return casync.async(function()
        local iterate = casync.as_completed {future}
        return (await(iterate()))
      end)(),
      function() future:set_result("result") end,
      function() future:set_exception("oops") end
  end,
}

local names = {}
for name in pairs(waits) do names[#names + 1] = name end
table.sort(names)

for _, name in ipairs(names) do
  local make = waits[name]

  describe(name, function()
    it("returns", async(function()
      local awaitable, finish = make()
      local task = casync.create_task(function() return await(awaitable) end)
      await(sleep(0))
      finish()

      assert.equal("result", await(task))
    end))

    it("raises", async(function()
      local awaitable, finish, fail = make()
      local task = casync.create_task(function() return await(awaitable) end)
      await(sleep(0))
      if not fail then
        finish()
        await(task)
        return
      end
      fail()

      assert.equal("oops", caught(await, task))
    end))

    it("raises CancelledError when cancelled while it waits",
      async(function()
        local awaitable, finish = make()
        local seen
        local task = casync.create_task(function()
          local ok, err = pcall(await, awaitable)
          seen = not ok and err
          error(err, 0)
        end)
        await(sleep(0))
        task:cancel("enough")
        settle()

        assert.is_true(iscancelled(seen))
        assert.equal("enough", seen.message)
        assert.is_true(task:cancelled())
        pcall(finish)
        settle()
      end))

    it("raises CancelledError when cancelled though it is ready",
      async(function()
        local awaitable, finish = make()
        local task = casync.create_task(function() return await(awaitable) end)
        await(sleep(0))
        finish()
        task:cancel()
        settle()
        await(sleep(0.002))

        assert.is_true(task:done())
        assert.is_true(task:cancelled())
      end))

    it("is left alone when the loop is closed under it", function()
      local loop = casync.new_event_loop()
      local contexts = helper.capture(loop)
      local task, finish
      loop:run_until_complete(function()
        local awaitable
        awaitable, finish = make()
        task = casync.create_task(function() return await(awaitable) end)
        await(sleep(0))
      end)
      loop:close()

      if name ~= "await of sleep(0)" then
        assert.equal("Task was destroyed but it is pending!",
          contexts[1].message)
        assert.is_false(task:done())
      end
      pcall(finish)
      assert.equal(name == "await of sleep(0)", task:done())
      assert.is_false(task:cancel())
      task, finish = nil, nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
    end)

    it("needs a task", function()
      local loop <close> = casync.new_event_loop()
      local outside
      helper.capture(loop)
      loop:run_until_complete(function()
        local awaitable, finish = make()
        casync.get_running_loop():call_soon(function()
          outside = caught(await, awaitable)
        end)
        await(sleep(0))
        finish()
        settle()
        if casync.iscoroutine(awaitable) then await(awaitable) end
      end)

      assert.match("await outside a task", outside)
    end)
  end)
end

describe("await", function()
  it("of a done future does not wait", async(function()
    local future = newfuture()
    future:set_result(1)
    local other = false
    casync.get_running_loop():call_soon(function() other = true end)

    assert.equal(1, await(future))

    assert.is_false(other)
    await(sleep(0))
  end))

  it("is a method of every awaitable", async(function()
    local future = newfuture()
    future:set_result(1)

    assert.equal(1, future:await())
    assert.equal(2, sleep(0, 2):await())
    assert.equal(3, casync.create_task(function() return 3 end):await())
    assert.equal(4, casync.async(function() return 4 end)():await())
    assert.equal(5, casync.gather(sleep(0, 5)):await())
  end))

  it("works across pcall, metamethods, iterators and <close>",
    async(function()
      local thing = setmetatable({}, {
        __index = function(_, key) return await(sleep(0, key)) end,
        __add = function(_, n) return await(sleep(0, n)) end,
        __call = function(_, x) return await(sleep(0, x)) end,
        __lt = function() return await(sleep(0, true)) end,
        __eq = function() return await(sleep(0, true)) end,
        __concat = function() return await(sleep(0, "cat")) end,
        __len = function() return await(sleep(0, 9)) end,
      })
      local log = {}
      do
        local _ <close> = setmetatable({}, {__close = function()
          log[#log + 1] = await(sleep(0, "closed"))
        end})
      end
      for x in function(_, x)
        x = await(sleep(0, (x or 0) + 1))
        return x < 3 and x or nil
      end do log[#log + 1] = x end

      assert.equal("key", thing.key)
      assert.equal(1, thing + 1)
      assert.equal("x", thing("x"))
      assert.is_true(thing < thing)
      assert.is_true(thing == setmetatable({}, getmetatable(thing)))
      assert.equal("cat", thing .. "x")
      assert.equal(9, #thing)
      assert.same({true, 2}, {pcall(await, sleep(0, 2))})
      assert.same({true, 3}, {xpcall(await, print, sleep(0, 3))})
      assert.same({"closed", 1, 2}, log)
    end))

  it("says where Lua can't suspend", async(function()
    local err = caught(function()
      table.sort({3, 2, 1}, function(a, b)
        await(sleep(0))
        return a < b
      end)
    end)
    assert.match("cannot await inside table.sort %(called at .*%.lua:%d+%)",
      err)

    err = caught(string.gsub, "abc", "%w", function() await(sleep(0)) end)
    assert.match("cannot await inside string.gsub", err)

    err = caught(tostring, setmetatable({}, {__tostring = function()
      await(sleep(0))
      return ""
    end}))
    assert.match("cannot await inside tostring", err)

    err = nil
    setmetatable({}, {__gc = function()
      err = caught(await, sleep(0))
    end})
    collectgarbage()
    assert.match("cannot await inside a __gc finalizer", err)
  end))

  it("begins nothing where it is not possible", async(function()
    local called = false
    local co = casync.async(function() called = true end)()
    pcall(table.sort, {2, 1}, function() await(co) end)

    assert.is_false(called)
    await(co)
    assert.is_true(called)
  end))

  it("of a function says to call it", async(function()
    assert.match("call it", caught(await, function() end))
    assert.match("call it", caught(await, casync.async(function() end)))
  end))

  it("nests as deep as one likes", async(function()
    local nest
    nest = casync.async(function(n)
      if n == 0 then
        await(sleep(0))
        return 0
      end
      return await(nest(n - 1)) + 1
    end)

    assert.equal(5000, await(nest(5000)))
  end))

  it("reports a C stack overflow as an error, and the loop goes on",
    async(function()
      local nest
      nest = casync.async(function() return await(nest()) + 1 end)

      assert.match("overflow", tostring(caught(await, nest())))
      await(sleep(0))
    end))

  it("passes errors through nested coroutine objects unchanged",
    async(function()
      local err = {}
      local inner = casync.async(function()
        await(sleep(0))
        error(err)
      end)
      local outer = casync.async(function() await(inner()) end)

      assert.equal(err, caught(await, outer()))
    end))
end)

describe("A coroutine object", function()
  it("runs nothing until it is awaited", async(function()
    local called = false
    local co = casync.async(function() called = true end)()
    await(sleep(0))
    assert.is_false(called)

    await(co)

    assert.is_true(called)
  end))

  it("runs in the awaiting task, without a switch", async(function()
    local me = casync.current_task()
    local other = false
    casync.get_running_loop():call_soon(function() other = true end)

    local seen = await(casync.async(casync.current_task)())

    assert.equal(me, seen)
    assert.is_false(other)
    await(sleep(0))
  end))

  it("keeps its arguments, nil and many too", async(function()
    local pack = casync.async(table.pack)
    local many = {}
    for i = 1, 200 do many[i] = i end

    local three = await(pack(nil, 2, nil))
    assert.equal(3, three.n)
    assert.equal(2, three[2])
    assert.equal(200, await(pack(table.unpack(many))).n)
    many[201] = 201
    assert.match("too many arguments", caught(pack, table.unpack(many)))
  end))

  it("can be used only once", async(function()
    local once = casync.async(function() return 1 end)
    local awaited, scheduled = once(), once()
    await(awaited)
    local task = casync.create_task(scheduled)

    for _, co in ipairs {awaited, scheduled} do
      assert.match("cannot reuse already awaited coroutine",
        caught(await, co))
      assert.match("cannot reuse already awaited coroutine",
        caught(casync.create_task, co))
    end
    await(task)
  end))

  it("may fail, and still can't be used again", async(function()
    local co = casync.async(error)("oops")

    assert.equal("oops", caught(await, co))
    assert.match("cannot reuse", caught(await, co))
  end))

  it("shows its name and place", async(function()
    local named = casync.async(function() end, "given")
    local learned = casync.async(function() end)
    local a, b = named(), learned()

    assert.match("^<coroutine object 'given' %(.*await_spec.lua:%d+%)>$",
      tostring(a))
    assert.match("'learned'", tostring(b))
    await(a)
    await(b)
  end))

  it("is told from other things", async(function()
    local fn = casync.async(function() end)
    local co = fn()

    assert.is_true(casync.iscoroutine(co))
    assert.is_true(casync.iscoroutinefunction(fn))
    assert.is_true(casync.isawaitable(co))
    assert.is_false(casync.isawaitable(fn))
    assert.is_false(casync.iscoroutine(fn))
    assert.is_false(casync.iscoroutine(coroutine.create(print)))
    assert.is_false(casync.iscoroutinefunction(print))
    assert.equal(fn, casync.async(fn))
    await(co)
  end))
end)

describe("What is still to be awaited", function()
  it("has no fields, and says what to do", async(function()
    local fetch = casync.async(function() return {status = 200} end)
    local object = fetch()

    local ok, err = pcall(function() return object.status end)
    assert.is_false(ok)
    assert.match("has no field 'status': await it first", err)
    assert.equal(200, await(object).status)
  end))

  it("has no methods of its result", async(function()
    local operation = casync.sleep(0, "text")

    local ok, err = pcall(function() return operation:upper() end)
    assert.is_false(ok)
    assert.match("<sleep%(0%)> has no field 'upper': await it first", err)
    assert.equal("TEXT", operation:await():upper())
  end))
end)

describe("casync.coroutine", function()
  local co = casync.coroutine

  it("lets a wrapped coroutine await and yield", async(function()
    local numbers = co.wrap(function(a)
      local b = coroutine.yield(await(sleep(0, a)))
      local c = coroutine.yield(await(sleep(0.001, b)))
      return await(sleep(0, c)), "end"
    end)

    assert.equal(1, numbers(1))
    assert.equal(2, numbers(2))
    assert.same({3, "end"}, {numbers(3)})
    assert.match("dead coroutine", caught(numbers))
  end))

  it("resumes with a status, as Lua does", async(function()
    local thread = co.create(function()
      coroutine.yield(await(sleep(0, 1)))
      error("oops", 0)
    end)

    assert.same({true, 1}, {co.resume(thread)})
    assert.same({false, "oops"}, {co.resume(thread)})
    assert.same({false, "cannot resume dead coroutine"}, {co.resume(thread)})
    assert.equal("dead", co.status(thread))
  end))

  it("lets other tasks run while one inside waits", async(function()
    local log = {}
    local task = casync.create_task(function()
      local gen = co.wrap(function()
        await(sleep(0))
        log[#log + 1] = "inner"
      end)
      gen()
    end)
    casync.create_task(function() log[#log + 1] = "other" end)

    await(task)

    assert.same({"other", "inner"}, log)
  end))

  it("nests", async(function()
    local function nest(n)
      if n == 0 then return await(sleep(0, "bottom")) end
      return co.wrap(nest)(n - 1)
    end

    assert.equal("bottom", nest(20))
  end))

  it("passes a cancellation to the innermost await", async(function()
    local log = {}
    local task = casync.create_task(function()
      local ok, err = co.resume(co.create(function()
        local _ <close> = setmetatable({}, {__close = function()
          log[#log + 1] = "closed"
        end})
        local good, why = pcall(await, sleep(3600))
        log[#log + 1] = not good and iscancelled(why)
        error(why, 0)
      end))
      log[#log + 1] = not ok and iscancelled(err)
      error(err, 0)
    end)
    settle()
    task:cancel()
    settle()

    assert.is_true(task:cancelled())
    assert.is_true(log[1])
    assert.is_true(log[#log])
  end))

  it("raises what a wrapped coroutine raises, after its <close>",
    async(function()
      local closed = false
      local fn = co.wrap(function()
        local _ <close> = setmetatable({}, {__close = function()
          closed = true
        end})
        await(sleep(0))
        error("oops", 0)
      end)

      assert.equal("oops", caught(fn))
      assert.is_true(closed)
    end))

  it("works with many values, and outside of tasks", function()
    local sum = co.wrap(function(...)
      local n = select("#", ...)
      while true do n = n + select("#", coroutine.yield(n)) end
    end)
    local list = {}
    for i = 1, 1000 do list[i] = i end

    assert.equal(1000, sum(table.unpack(list)))
    assert.equal(1002, sum(1, 2))
    assert.same({true, 1}, {co.resume(co.create(function(x) return x end), 1)})
  end)

  it("is named by the error of an await in a stock coroutine",
    async(function()
      for _, drive in ipairs {
        function(fn) return pcall(coroutine.wrap(fn)) end,
        function(fn) return coroutine.resume(coroutine.create(fn)) end,
      } do
        local ok, err = drive(function() await(sleep(0)) end)
        assert.is_false(ok)
        assert.match("casync.coroutine", err)
      end
      await(sleep(0))
    end))

  it("does not resume what is not suspended", async(function()
    local me = coroutine.running()
    assert.match("non%-suspended", caught(co.resume, me))
    local outer
    outer = co.create(function()
      return select(2, co.resume(co.create(function()
        return co.resume(outer)
      end)))
    end)
    assert.same({true, false, "cannot resume non-suspended coroutine"},
      {co.resume(outer)})
    local self
    self = co.wrap(function() return pcall(self) end)
    local _, ok, err = pcall(self)
    assert.is_false(ok)
    assert.match("non%-suspended", err)
    await(sleep(0))
  end))

  it("does not let a waiting inner coroutine be resumed by others",
    async(function()
      local inner
      local task = casync.create_task(function()
        inner = co.create(function() return await(sleep(0.002, "mine")) end)
        return co.resume(inner)
      end)
      settle()

      local ok, message = coroutine.resume(inner, "intruder")
      assert.is_true(ok)
      assert.match("belongs to a casync task", message)
      assert.match("cannot close a coroutine in which a task waits",
        caught(coroutine.close, inner))
      assert.same({true, "mine"}, {await(task)})
    end))

  it("closes a coroutine that has yielded", async(function()
    local closed
    local thread = co.create(function()
      local _ <close> = setmetatable({}, {__close = function()
        closed = true
      end})
      await(sleep(0))
      coroutine.yield()
    end)
    co.resume(thread)

    assert.is_true(co.close(thread))
    assert.is_true(closed)
  end))

  it("has all of Lua's", function()
    for name in pairs(coroutine) do
      assert.is_function(co[name])
    end
  end)
end)

describe("A coroutine that is resumed with more than its stack holds", function()
  -- A stack of Lua has room for a million values.
  local co, list = casync.coroutine, {}
  for i = 1, 700000 do list[i] = i end

  it("is not resumed", async(function()
    local thread = co.create(function(...) co.yield(select("#", ...)) end)
    assert.same({true, 400000},
      {co.resume(thread, table.unpack(list, 1, 400000))})

    local ok, err = co.resume(thread, table.unpack(list))

    assert.is_false(ok)
    assert.equal("too many arguments to resume", err)
    assert.equal("suspended", co.status(thread))
  end))

  it("cannot give more than fits where it is resumed", async(function()
    local thread = co.create(function() return table.unpack(list) end)
    local function deep(...)
      local ok, err = co.resume(thread)
      return ok, err, select("#", ...)
    end

    local ok, err = deep(table.unpack(list, 1, 400000))

    assert.is_false(ok)
    assert.equal("too many results to resume", err)
  end))
end)

describe("A wrapped coroutine", function()
  it("raises its error, after its scopes were closed", async(function()
    local closed
    local f = casync.coroutine.wrap(function()
      local _ <close> = setmetatable({}, {__close = function(_, e)
        closed = e
      end})
      error("oops", 0)
    end)

    assert.equal("oops", caught(f))
    assert.equal("oops", closed)
  end))
end)

describe("An awaitable that can be awaited once", function()
  it("says so when it is awaited again", async(function()
    local lookup = casync.getaddrinfo("localhost", 1)
    await(lookup)

    assert.matches("cannot await this getaddrinfo again", caught(await, lookup))
  end))
end)

describe("In a sandbox #programs", function()
  it("without debug, coroutine.create and coroutine.close casync works",
    function()
      local process = require "spec.support.process"
      local result = process.run {process.lua, "-e", [[
        local casync = require "casync"
        debug.sethook(function() end, "l")
        debug, coroutine.create = nil, nil
        print(casync.run(function()
          local wrapped = casync.coroutine.wrap(function(x)
            return casync.await(casync.sleep(0, x))
          end)
          return casync.await(casync.gather(function()
            return wrapped "works"
          end))
        end))
      ]]}

      process.assert_ok(result, "the program")
      assert.equal("works\n", result.stdout)
    end)
end)
