local casync = require "casync"
local helper = require "spec.helper"

local async, await = helper.async, casync.await

describe("Error classes", function()
  it("make errors with name, message and cause", function()
    local cause = casync.OSError("refused", {code = "ECONNREFUSED"})

    local err = casync.TimeoutError("too slow", {cause = cause})

    assert.equal("TimeoutError", err.name)
    assert.equal("too slow", err.message)
    assert.equal(cause, err.cause)
    assert.equal("ECONNREFUSED", err.cause.code)
    assert.equal("TimeoutError: too slow", tostring(err))
    assert.equal("TimeoutError", tostring(casync.TimeoutError()))
  end)

  it("refuse unknown options, at the caller's line", function()
    local ok, message = pcall(function()
      return (casync.TimeoutError("x", {couse = 1}))
    end)

    assert.is_false(ok)
    assert.matches("exceptions_spec.lua:%d+: unknown option 'couse' for "
      .. "'TimeoutError'", message)
  end)

  it("know their own errors and those of subclasses", function()
    local FetchError = casync.Error:extend("FetchError", {"url"})
    local NotFound = FetchError:extend "NotFound"
    local err = NotFound("gone", {url = "http://x"})

    assert.is_true(NotFound:is(err))
    assert.is_true(FetchError:is(err))
    assert.is_true(casync.Error:is(err))
    assert.is_false(casync.TimeoutError:is(err))
    assert.equal("NotFound: gone", tostring(err))
    assert.equal("http://x", err.url)
  end)

  it("take any value in 'is'", function()
    for _, value in ipairs {"text", 1, true, {}, setmetatable({}, {}), print} do
      assert.is_false(casync.Error:is(value))
    end
    assert.is_false(casync.Error:is(nil))
  end)
end)

describe("ExceptionGroup", function()
  local a, b, c
  local inner, outer

  before_each(function()
    a = casync.TimeoutError "a"
    b = "b"
    c = casync.TimeoutError "c"
    inner = casync.ExceptionGroup("inner", {b, c})
    outer = casync.ExceptionGroup("outer", {a, inner})
  end)

  it("lists its errors as text", function()
    assert.equal(table.concat({
      "ExceptionGroup: outer (2 sub-exceptions)",
      "  | 1: TimeoutError: a",
      "  | 2: ExceptionGroup: inner (2 sub-exceptions)",
      "  |   | 1: b",
      "  |   | 2: TimeoutError: c",
    }, "\n"), tostring(outer))
  end)

  it("is flattened to its leaves", function()
    assert.same({a, b, c}, outer:flatten())
  end)

  it("is split by class and by function, keeping its shape", function()
    local late, rest = outer:split(casync.TimeoutError)

    assert.same({a, c}, late:flatten())
    assert.equal("inner", late.errors[2].message)
    assert.same({b}, rest:flatten())
    local all, none = outer:split(function() return true end)
    assert.equal(outer, all)
    assert.is_nil(none)
    none, all = outer:split(function() return false end)
    assert.is_nil(none)
    assert.same({a, b, c}, all:flatten())
  end)

  it("needs at least one error", function()
    assert.error_matches(function() casync.ExceptionGroup("x", {}) end,
      "bad errors of an ExceptionGroup")
  end)
end)

describe("casync.pcall", function()
  it("catches errors as Lua's does", function()
    local err = {}

    assert.same({true, 1, nil, 3}, {casync.pcall(function()
      return 1, nil, 3
    end)})
    local ok, value = casync.pcall(error, err)
    assert.is_false(ok)
    assert.equal(err, value)
  end)

  it("lets a cancellation pass", async(function()
    local swallowed = false
    local task = casync.create_task(function()
      casync.pcall(function() await(casync.sleep(3600)) end)
      swallowed = true
    end)
    await(casync.sleep(0))

    task:cancel()
    pcall(await, task)

    assert.is_true(task:cancelled())
    assert.is_false(swallowed)
  end))

  it("lets KeyboardInterrupt and GeneratorExit pass", function()
    for _, class in ipairs {casync.KeyboardInterrupt, casync.GeneratorExit} do
      local err = class()
      local ok, value = pcall(casync.pcall, error, err)
      assert.is_false(ok)
      assert.equal(err, value)
    end
  end)
end)

describe("casync.xpcall", function()
  it("gives what the handler made of the error", function()
    local ok, text = casync.xpcall(error, function(err)
      return "handled " .. err
    end, "x", 0)

    assert.is_false(ok)
    assert.equal("handled x", text)
  end)

  it("shows the scopes inside the error itself", function()
    local err, seen = {}, nil

    casync.xpcall(function()
      local _ <close> = setmetatable({}, {
        __close = function(_, e) seen = e end,
      })
      error(err)
    end, function() return "handled" end)

    assert.equal(err, seen)
  end)

  it("lets a cancellation pass, without the handler", async(function()
    local called = false
    local task = casync.create_task(function()
      casync.xpcall(function() await(casync.sleep(3600)) end,
        function() called = true end)
    end)
    await(casync.sleep(0))

    task:cancel()
    pcall(await, task)

    assert.is_true(task:cancelled())
    assert.is_false(called)
  end))

  it("handles a TimeoutError that a scope inside makes", async(function()
    local ok, text = casync.xpcall(function()
      local _ <close> = casync.timeout(0)
      await(casync.sleep(3600))
    end, tostring)

    assert.is_false(ok)
    assert.matches("^TimeoutError", text)
  end))
end)

describe("A report of an error", function()
  local function report(err, traceback)
    local loop = casync.get_running_loop()
    local texts = {}
    local stderr = io.stderr
    io.stderr = {write = function(_, ...)   -- luacheck: ignore
      texts[#texts + 1] = table.concat {...}
    end}
    pcall(loop.call_exception_handler, loop,
      {message = "m", exception = err, traceback = traceback})
    io.stderr = stderr                      -- luacheck: ignore
    return table.concat(texts)
  end

  it("shows its causes, also when they are a ring", async(function()
    local inner = casync.OSError("inner", {code = "EIO"})
    local outer = casync.TimeoutError("outer", {cause = inner})

    assert.matches("outer\ncaused by: OSError: .*inner", report(outer))

    rawset(inner, "cause", outer)
    assert.matches("outer\ncaused by: .*caused by: %.%.%.", report(outer))
  end))

  it("shows the errors in a group, and how many there are more",
    async(function()
      local err = helper.caught(await, casync.task_group(function(group)
        for i = 1, 20 do
          group:create_task(function() error("e" .. i, 0) end)
        end
      end))

      local text = report(err)

      assert.matches("1: e1\n", text)
      assert.matches("15: e15\n", text)
      assert.is_nil(text:find("16: e16", 1, true))
      assert.matches("%.%.%. and 5 more", text)
    end))
end)

describe("Misuse of errors", function()
  it("is raised at the caller", function()
    local group = casync.ExceptionGroup("m", {"e"})

    helper.misuse("bad message of an ExceptionGroup %(string expected, got nil",
      casync.ExceptionGroup)
    helper.misuse("'split' %(function or error class expected, got number",
      group.split, group, 5)
    helper.misuse("'xpcall' %(function expected, got nil", casync.xpcall, print)
  end)
end)

describe("xpcall", function()
  it("gives the error of a cleanup that fails after the handled one",
    async(function()
      local ok, err = casync.xpcall(function()
        local _ <close> = setmetatable({}, {__close = function()
          error("cleanup", 0)
        end})
        error("body", 0)
      end, function(e) return "handled " .. e end)

      assert.is_false(ok)
      assert.equal("handled cleanup", err)
    end))
end)

describe("xpcall of what ends well", function()
  it("gives true and all results", function()
    assert.same({true, 1, nil, 3}, {casync.xpcall(function(...)
      return ...
    end, print, 1, nil, 3)})
  end)
end)
