local casync = require "casync"
local helper = require "spec.helper"

local async, await = helper.async, casync.await

describe("ContextVar", function()
  local var

  before_each(function() var = casync.ContextVar("var", "default") end)

  it("gives the value that was set, or its default", async(function()
    assert.equal("default", var:get())
    assert.is_nil(casync.ContextVar("other"):get())

    var:set "new"

    assert.equal("new", var:get())
  end))

  it("can be nil in spite of a default", async(function()
    var:set(nil)

    assert.is_nil(var:get())
  end))

  it("is reset by the token of its set, once", async(function()
    local token = var:set(1)
    local second = var:set(2)

    var:reset(second)
    assert.equal(1, var:get())
    var:reset(token)
    assert.equal("default", var:get())

    assert.error_matches(function() var:reset(token) end,
      "this token has already been used once")
  end))

  it("refuses tokens of others", async(function()
    local token = casync.ContextVar("other"):set(1)
    local foreign = await(casync.create_task(function()
      return var:set(1)
    end))

    assert.error_matches(function() var:reset(token) end, "another ContextVar")
    assert.error_matches(function() var:reset(foreign) end, "another context")
    assert.error_matches(function() var:reset(5) end, "token")
  end))

  it("is inherited by a task as it was when that was made", async(function()
    local before, after
    var:set "parent"
    local task = casync.create_task(function()
      before = var:get()
      var:set "child"
      await(casync.sleep(0))
      after = var:get()
    end)
    var:set "later"

    await(task)

    assert.equal("parent", before)
    assert.equal("child", after)
    assert.equal("later", var:get())
  end))

  it("is inherited by callbacks", async(function()
    local loop = casync.get_running_loop()
    local done = loop:create_future()
    local seen = {}
    var:set(1)
    loop:call_soon(function() seen[1] = var:get() end)
    done:add_done_callback(function() seen[2] = var:get() end)
    var:set(2)

    done:set_result()
    await(casync.sleep(0))
    await(casync.sleep(0))

    assert.same({1, 1}, seen)
  end))

  it("is shared with what is awaited in the same task", async(function()
    local set = casync.async(function() var:set "inner" end)

    await(set())

    assert.equal("inner", var:get())
  end))

  it("is set for callbacks and main code without touching tasks", function()
    local token = var:set "outside"
    local inside = casync.run(function()
      local seen = var:get()
      var:set "inside"
      return seen
    end)

    assert.equal("outside", inside)
    assert.equal("outside", var:get())
    var:reset(token)
  end)
end)

describe("Context", function()
  local var

  before_each(function() var = casync.ContextVar "var" end)

  it("keeps what is set under it", async(function()
    var:set(1)
    local context = casync.copy_context()
    var:set(2)

    local seen = context:run(function(value)
      local old = var:get()
      await(casync.sleep(0))
      var:set(value)
      return old
    end, 3)

    assert.equal(1, seen)
    assert.equal(2, var:get())
    assert.equal(3, context:get(var))
    assert.equal(3, context:copy():get(var))
  end))

  it("is left when its function fails", async(function()
    local context = casync.copy_context()

    pcall(context.run, context, function()
      var:set(1)
      error "oops"
    end)

    assert.is_nil(var:get())
    assert.equal(1, context:get(var))
  end))

  it("is given to a task", async(function()
    local context = casync.copy_context()
    local set = casync.async(function() var:set "task" end)

    local task = casync.create_task(set(), {context = context})
    await(task)

    assert.is_nil(var:get())
    assert.equal("task", context:get(var))
    assert.equal(context, task:get_context())
  end))

  it("can be entered in itself and by an eager task", async(function()
    local context = casync.copy_context()
    local set = casync.async(function(value) var:set(value) end)

    context:run(function()
      context:run(function() var:set(1) end)
      assert.equal(1, var:get())
      casync.create_task(set(2), {context = context, eager_start = true})
      assert.equal(2, var:get())
    end)

    assert.is_not_nil(casync.current_task())
    await(casync.sleep(0))
  end))
end)

describe("A ContextVar", function()
  it("must have a name", function()
    helper.misuse("'ContextVar' %(string expected, got nil", casync.ContextVar)
  end)

  it("shows its default", function()
    assert.matches("default=5", tostring(casync.ContextVar("v", 5)))
  end)
end)

describe("get_context", function()
  it("gives a context that the task shares from then on", async(function()
    local var = casync.ContextVar("shared")
    local future = helper.newfuture()
    local seen
    local task = casync.create_task(function()
      await(future)
      seen = var:get()
    end)
    helper.settle()

    local context = task:get_context()
    context:run(function() var:set "outside" end)
    future:set_result()
    await(task)

    assert.equal("outside", seen)
    assert.equal(context, task:get_context())
  end))
end)
