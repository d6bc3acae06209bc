local casync = require "casync"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await
local sleep = casync.sleep

local loop
local log

local function add(...)
  for _, value in ipairs {...} do log[#log + 1] = value end
end

-- A spec with the running loop in 'loop', and an empty 'log'.
local function looped(body)
  return async(function()
    loop, log = casync.get_running_loop(), {}
    body()
  end)
end

describe("call_soon", function()
  it("calls in the next round, in order, with the arguments",
    looped(function()
      loop:call_soon(add, "a", 1)
      loop:call_soon(add, "b", nil)
      assert.same({}, log)

      await(sleep(0))

      assert.same({"a", 1, "b"}, log)
    end))

  it("leaves what a callback schedules to the round after",
    looped(function()
      loop:call_soon(function()
        loop:call_soon(add, "inner")
        add "outer"
      end)
      loop:call_soon(add, "other")

      await(sleep(0))
      assert.same({"outer", "other"}, log)
      await(sleep(0))
      assert.same({"outer", "other", "inner"}, log)
    end))

  it("does not let a chain of callbacks starve timers", looped(function()
    local spinning = true
    local function spin()
      if spinning then loop:call_soon(spin) end
    end
    spin()

    await(sleep(0.002))
    spinning = false
  end))

  it("gives a handle whose callback can be cancelled", looped(function()
    local handle = loop:call_soon(add, "never")
    assert.is_false(handle:cancelled())

    handle:cancel()
    handle:cancel()
    settle()

    assert.is_true(handle:cancelled())
    assert.same({}, log)
    assert.equal("<Handle cancelled>", tostring(handle))
  end))

  it("can be cancelled by a callback of the same round", looped(function()
    local second
    loop:call_soon(function() second:cancel() end)
    second = loop:call_soon(add, "second")

    settle()

    assert.same({}, log)
  end))

  it("lets go of the function and its arguments when cancelled",
    looped(function()
      local weak = setmetatable({}, {__mode = "k"})
      local function make()
        local fn, arg = function() return log end, {}
        weak[fn], weak[arg] = true, true
        return loop:call_later(3600, fn, arg)
      end
      local handle = make()
      handle:cancel()
      collectgarbage()
      collectgarbage()

      assert.is_nil(next(weak))
      assert.is_true(handle:cancelled())
    end))

  it("can be cancelled after it ran", looped(function()
    local handle = loop:call_soon(add, "x")
    settle()
    handle:cancel()

    assert.same({"x"}, log)
  end))

  it("has no deadline", looped(function()
    local handle = loop:call_soon(add)

    assert.has_error(function() handle:when() end)
    settle()
  end))

  it("runs in the context in which it was scheduled", looped(function()
    local var = casync.ContextVar("v", "none")
    var:set("scheduled")
    loop:call_soon(function() add(var:get()) end)
    var:set("later")
    settle()

    assert.same({"scheduled"}, log)
    assert.equal("later", var:get())
  end))

  it("shows its function and place", looped(function()
    local function callback() end
    local handle = loop:call_soon(callback)

    assert.match("^<Handle callback%(%) at .*handles_spec.lua:%d+>$",
      tostring(handle))
    settle()
  end))

  it("runs though nobody keeps the handle", looped(function()
    for i = 1, 100 do loop:call_soon(add, i) end
    collectgarbage()
    collectgarbage()
    settle()

    assert.equal(100, #log)
  end))
end)

describe("call_later", function()
  it("calls when the time has passed, never earlier", looped(function()
    local future = loop:create_future()
    local begun = loop:time()
    loop:call_later(0.003, function() future:set_result(loop:time()) end)

    assert.is_true(await(future) - begun >= 0.003)
  end))

  it("calls in the order of the deadlines", looped(function()
    local begun = loop:time()
    for _, n in ipairs {4, 2, 3, 1} do
      loop:call_later(begun + n / 1000 - loop:time(), add, n)
    end

    await(sleep(0.006))

    assert.same({1, 2, 3, 4}, log)
  end))

  it("sorts negative delays too", looped(function()
    loop:call_later(-1, add, "a")
    loop:call_later(-100, add, "b")
    await(sleep(0))
    await(sleep(0))

    assert.same({"b", "a"}, log)
  end))

  it("with no delay comes after call_soon", looped(function()
    loop:call_later(0, add, "later")
    loop:call_soon(add, "soon")
    await(sleep(0))
    settle()

    assert.same({"soon", "later"}, log)
  end))

  it("gives a handle that knows its deadline", looped(function()
    local now = loop:time()
    local handle = loop:call_later(100, add)

    assert.is_true(handle:when() >= now + 100)
    assert.is_true(handle:when() < now + 101)
    assert.match("^<TimerHandle ", tostring(handle))
    handle:cancel()
    assert.equal("<TimerHandle cancelled>", tostring(handle))
  end))

  it("takes its timer out at once when cancelled", looped(function()
    local core = require "casync.core"
    local before = core.census(loop).timers
    local handles = {}
    for i = 1, 100 do handles[i] = loop:call_later(3600 + i % 7, add, i) end
    assert.equal(before + 100, core.census(loop).timers)

    for i = 1, 100, 2 do handles[i]:cancel() end
    assert.equal(before + 50, core.census(loop).timers)
    for i = 100, 1, -1 do handles[i]:cancel() end

    assert.equal(before, core.census(loop).timers)
  end))

  it("can wait for ever", looped(function()
    local handle = loop:call_later(math.huge, add, "never")
    local far = loop:call_later(1e300, add, "never")
    await(sleep(0.001))

    assert.same({}, log)
    handle:cancel()
    far:cancel()
  end))
end)

describe("call_at", function()
  it("calls in order of creation when deadlines are equal",
    looped(function()
      local when = loop:time() + 0.001
      for i = 1, 20 do loop:call_at(when, add, i) end
      await(sleep(0.003))

      for i = 1, 20 do assert.equal(i, log[i]) end
    end))

  it("knows the very deadline it was given", looped(function()
    local when = loop:time() + 1000.5
    local handle = loop:call_at(when, add)

    assert.equal(when, handle:when())
    handle:cancel()
  end))

  it("calls at once when the time is long ago", looped(function()
    loop:call_at(-1e9, add, "negative")
    loop:call_at(0, add, "zero")
    loop:call_at(-math.huge, add, "infinite")
    await(sleep(0.001))

    assert.same({"infinite", "negative", "zero"}, log)
  end))
end)

describe("Order", function()
  it("of timers of which others are cancelled in any order", looped(function()
    math.randomseed(7)
    for _ = 1, 300 do
      local now, handles, kept = loop:time(), {}, {}
      log = {}
      local n = math.random(1, 12)
      for i = 1, n do
        local when = now - math.random()        -- all are due at once
        handles[i] = loop:call_at(when, add, when)
      end
      for _ = 1, math.random(0, n - 1) do
        table.remove(handles, math.random(#handles)):cancel()
      end
      for i, handle in ipairs(handles) do kept[i] = handle:when() end
      table.sort(kept)

      await(sleep(0))
      await(sleep(0))

      assert.same(kept, log)
    end
  end))

  it("of timers among thousands with random deadlines", looped(function()
    math.randomseed(42)
    local now = loop:time()
    local kept = {}
    for _ = 1, 2000 do
      local when = now + math.random(0, 500) / 100000
      local handle = loop:call_at(when, add, when)
      if math.random(2) == 1 then
        handle:cancel()
      else
        kept[#kept + 1] = when
      end
    end
    table.sort(kept)

    await(sleep(0.01))

    assert.same(kept, log)
  end))
end)

describe("A done-callback that can be called but is no function", function()
  it("is called, and reported without a name", looped(function()
    local contexts = helper.capture()
    local future = loop:create_future()
    future:add_done_callback(setmetatable({}, {__call = function(_, f)
      add(f)
      error("oops", 0)
    end}))

    future:set_result()
    settle()

    assert.same({future}, log)
    assert.equal("<Handle>", tostring(contexts[1].handle))
  end))
end)
