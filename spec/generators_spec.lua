local casync = require "casync"
local helper = require "spec.helper"

local async, await, settle = helper.async, casync.await, helper.settle
local sleep = casync.sleep

describe("generator", function()
  local log, numbers

  before_each(function()
    log = {}
    numbers = casync.generator(function(yield, n)
      local _ <close> = setmetatable({}, {__close = function(_, err)
        await(sleep(0))
        local why = casync.GeneratorExit:is(err) and "exit" or tostring(err)
        log[#log + 1] = "closed " .. why
      end})
      for i = 1, n do
        await(sleep(0))
        yield(i, i * i)
      end
    end)
  end)

  it("gives its values to a for", async(function()
    local list = {}

    for i, square in numbers(3) do list[i] = square end

    assert.same({1, 4, 9}, list)
    assert.same({"closed nil"}, log)
  end))

  it("runs nothing before the first turn", async(function()
    local ran = false
    local g = casync.generator(function() ran = true end)()

    await(sleep(0))
    assert.is_false(ran)
    assert.is_nil(await(g:next()))
    assert.is_true(ran)
  end))

  it("is closed when the loop is left early", async(function()
    local function first()
      for i in numbers(3) do
        if i > 0 then return i end
      end
    end

    assert.equal(1, first())
    assert.same({"closed exit"}, log)
    for i in numbers(3) do
      if i == 2 then goto out end
    end
    ::out::
    assert.equal(2, #log)
  end))

  it("can be kept, and used in several loops", async(function()
    local g = numbers(4)
    local list = {}

    list[1] = await(g:next())
    for i in g do
      list[#list + 1] = i
      if i == 2 then break end
    end
    for i in g do list[#list + 1] = i end

    assert.same({1, 2, 3, 4}, list)
    assert.is_nil(await(g:next()))
    await(g:close())
  end))

  it("passes errors of the body, the same value", async(function()
    local err = {}
    local bad = casync.generator(function(yield)
      yield(1)
      error(err)
    end)
    local g = bad()
    await(g:next())

    local ok, value = pcall(await, g:next())

    assert.is_false(ok)
    assert.equal(err, value)
    assert.is_nil(await(g:next()))
  end))

  it("passes errors of the loop after closing", async(function()
    local ok, err = pcall(function()
      for _ in numbers(3) do error("in the loop", 0) end
    end)

    assert.is_false(ok)
    assert.equal("in the loop", err)
    assert.same({"closed exit"}, log)
  end))

  it("is cancelled with the task that waits in it", async(function()
    local task = casync.create_task(function()
      local g = casync.generator(function(yield)
        yield(1)
        await(sleep(3600))
      end)
      for _ in g() do log[#log + 1] = "turn" end
    end)
    settle()

    task:cancel()
    pcall(await, task)

    assert.is_true(task:cancelled())
    assert.same({"turn"}, log)
  end))

  it("begins to close at the call of close", async(function()
    local g = casync.generator(function(yield)
      local ok, err = pcall(yield, 1)
      log[1] = not ok and casync.GeneratorExit:is(err)
      await(sleep(0))
      log[2] = "later"
      error(err, 0)
    end)()
    await(g:next())

    local closing = g:close()
    assert.same({true}, log)
    await(closing)

    assert.same({true, "later"}, log)
    await(g:close())
  end))

  it("must not yield again while it is closed", async(function()
    local g = casync.generator(function(yield)
      while true do pcall(yield, 1) end
    end)()
    await(g:next())

    local ok, err = pcall(await, g:close())

    assert.is_false(ok)
    assert.matches("ignored GeneratorExit", err)
    assert.is_nil(await(g:next()))
  end))

  it("is closed when its task ends", async(function()
    local kept
    await(casync.create_task(function()
      kept = numbers(3)
      await(kept:next())
    end))

    settle()

    assert.same({"closed exit"}, log)
    assert.is_nil(await(kept:next()))
  end))

  it("is closed when it is collected", async(function()
    await((numbers(3)):next())

    collectgarbage()
    collectgarbage()
    settle()

    assert.same({"closed exit"}, log)
  end))

  it("cannot be used by two tasks at once", async(function()
    local g = numbers(3)
    local task = casync.create_task(function() return await(g:next()) end)
    await(sleep(0))

    local ok, err = pcall(await, g:next())
    assert.is_false(ok)
    assert.matches("is already running", err)
    assert.equal(1, await(task))
    await(g:close())
  end))

  it("nests", async(function()
    local doubled = casync.generator(function(yield, n)
      for i in numbers(n) do yield(2 * i) end
    end)
    local list = {}

    for x in doubled(3) do list[#list + 1] = x end

    assert.same({2, 4, 6}, list)
  end))

  it("works outside of tasks as long as it does not await", function()
    local plain = casync.generator(function(yield)
      yield "a"
      yield "b"
    end)
    local list = {}

    for x in plain() do list[#list + 1] = x end

    assert.same({"a", "b"}, list)
  end)

  it("wants a plain function", function()
    assert.error_matches(function() casync.generator(5) end,
      "bad argument #1 to 'generator'")
    assert.error_matches(function()
      casync.generator(casync.async(function() end))
    end, "leave out 'async'")
  end)

  it("does not yield for others", async(function()
    local steal
    local g = casync.generator(function(yield)
      steal = yield
      yield(1)
    end)()
    await(g:next())

    assert.error_matches(function() steal(2) end,
      "yield called outside the body of its generator")
    await(g:close())
  end))
end)

describe("map", function()
  local running, peak

  before_each(function() running, peak = 0, 0 end)

  local function work(delay)
    running = running + 1
    peak = math.max(peak, running)
    await(sleep(delay))
    running = running - 1
    return delay * 1000
  end

  it("gives index and result in order", async(function()
    local list = {}

    for i, r in casync.map(work, {0.004, 0.002, 0}) do list[i] = r end

    assert.same({4, 2, 0}, list)
  end))

  it("gives them as they come when not ordered", async(function()
    local list = {}

    for i in casync.map(work, {0.02, 0.01, 0}, {ordered = false}) do
      list[#list + 1] = i
    end

    assert.same({3, 2, 1}, list)
  end))

  it("bounds the work in flight", async(function()
    local n = 0

    for _ in casync.map(work, {0, 0, 0, 0, 0, 0, 0}, {concurrency = 2}) do
      n = n + 1
    end

    assert.equal(7, n)
    assert.equal(2, peak)
  end))

  it("cancels the rest when it is left or fails", async(function()
    local function first()
      for i, r in casync.map(work, {0, 3600, 3600}) do
        if i == 1 then return r end
      end
    end

    assert.equal(0, first())
    local ok, err = pcall(function()
      for _ in casync.map(function(x)
        if x == 2 then error("two", 0) end
        await(sleep(3600 * (x - 1)))
      end, {1, 2, 3}) do end  -- luacheck: ignore
    end)

    assert.is_false(ok)
    assert.equal("two", err)
  end))

  it("takes an iterator, async ones too", async(function()
    local source = casync.generator(function(yield)
      for i = 1, 3 do
        await(sleep(0))
        yield(i / 1000)
      end
    end)
    local list = {}

    for i, r in casync.map(work, source()) do list[i] = r end

    assert.same({1, 2, 3}, list)
  end))

  it("checks its arguments", function()
    assert.error_matches(function() casync.map(5, {}) end,
      "bad argument #1 to 'map'")
    assert.error_matches(function()
      casync.map(print, {}, {concurrency = 0})
    end, "bad concurrency")
  end)
end)

describe("A generator", function()
  it("cannot be closed from inside", async(function()
    local g, method, scope
    g = casync.generator(function()
      method = helper.caught(g.close, g)
      scope = helper.caught(getmetatable(g).__close, g)
    end)()

    assert.is_nil(g())

    assert.matches("is running and cannot be closed", method)
    assert.matches("is running and cannot be closed", scope)
  end))

  it("gives the error of its cleanup to who closes it", async(function()
    local function open()
      local g = casync.generator(function(yield)
        local _ <close> = setmetatable({}, {__close = function()
          error("cleanup", 0)
        end})
        yield(1)
      end)()
      g()
      return g
    end

    local ok, err = pcall(function()
      local _ <close> = open()
    end)

    assert.is_false(ok)
    assert.equal("cleanup", err)
    assert.equal("cleanup", helper.caught(await, open():close()))
  end))

  it("waits at the end of its scope for a close that goes on", async(function()
    local log = {}
    do
      local g <close> = casync.generator(function(yield)
        local _ <close> = setmetatable({}, {__close = function()
          await(sleep(0.001))
          log[#log + 1] = "closed"
        end})
        yield(1)
      end)()
      g()
      g:close()
      log[#log + 1] = "leaving"
    end
    log[#log + 1] = "left"

    assert.same({"leaving", "closed", "left"}, log)
  end))

  it("belongs to the task that used it last", async(function()
    local closed = false
    local g = casync.generator(function(yield)
      local _ <close> = setmetatable({}, {__close = function()
        closed = true
      end})
      for i = 1, 3 do yield(i) end
    end)()
    await(casync.create_task(function()
      g()
      casync.create_task(function()
        g()
        await(sleep(0.001))
      end)
    end))
    settle()
    assert.is_false(closed)     -- its first task has ended, not its last

    await(sleep(0.005))
    settle()

    assert.is_true(closed)
  end))

  it("that nobody holds any more is closed later", async(function()
    local closed = false
    local function open()
      local g = casync.generator(function(yield)
        local _ <close> = setmetatable({}, {__close = function()
          closed = true
        end})
        yield(1)
      end)()
      g()
    end
    open()
    collectgarbage()
    collectgarbage()
    assert.is_false(closed)

    settle()

    assert.is_true(closed)
  end))

  it("that nobody holds is closed when its loop is closed", function()
    local closed = false
    local g = casync.generator(function(yield)
      local _ <close> = setmetatable({}, {__close = function()
        closed = true
      end})
      yield(1)
    end)()
    g()         -- outside of any loop
    g = nil     -- luacheck: ignore
    collectgarbage()
    collectgarbage()

    assert.is_true(closed)
  end)

  it("whose cleanup fails at the end of run is reported", function()
    local contexts, g
    casync.run(function()
      contexts = helper.capture()
      g = casync.generator(function(yield)
        local _ <close> = setmetatable({}, {__close = function()
          error("cleanup", 0)
        end})
        yield(1)
      end)()
      casync.get_running_loop():call_soon(function() g() end)
      await(sleep(0))
      await(sleep(0))
    end)

    assert.equal(1, #contexts)
    assert.matches("an error occurred during closing of <generator",
      contexts[1].message)
    assert.equal("cleanup", contexts[1].exception)
    assert.equal(g, contexts[1].asyncgen)
  end)

  it("function is no iterator by itself", function()
    local numbers = casync.generator(function(yield) yield(1) end)

    helper.misuse("is no iterator: call it", function()
      local x
      for y in numbers do x = y end
      return x
    end)
  end)
end)

describe("A generator that was never asked", function()
  it("ends with its scope, and its body never runs", function()
    local ran = false
    local kept
    do
      local g <close> = casync.generator(function() ran = true end)()
      kept = g
    end

    assert.matches("ended", tostring(kept))
    assert.is_nil(kept())
    assert.is_false(ran)
  end)
end)
