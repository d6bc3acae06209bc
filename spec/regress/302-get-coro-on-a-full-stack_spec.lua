-- 'get_coro' of a task that has not begun, called where the C stack is full,
-- spoiled the stack of its coroutine.

local casync = require "casync"
local helper = require "spec.helper"

local await = casync.await

describe("get_coro on a full C stack", function()
  it("raises an error, and the task fails", helper.async(function()
    local task = casync.create_task(function(...) return ... end, 1, 2, 3)
    local function deep()
      return (string.gsub("x", "x", deep))
    end
    local got, why
    xpcall(deep, function(err)
      got, why = pcall(task.get_coro, task)
      return err
    end)
    assert.is_false(got)
    assert.matches("C stack overflow", why, 1, true)
    local ok, err = pcall(await, task)
    assert.is_false(ok)
    assert.is_string(err)
  end))

  it("does no harm a little before", helper.async(function()
    for depth = 150, 200 do
      local task = casync.create_task(function(...) return ... end, 1, 2, 3)
      local function deep(n)
        if n == 0 then return task:get_coro() and "" end
        return (string.gsub("x", "x", function() return deep(n - 1) end))
      end
      local reached = pcall(deep, depth)
      local ok, a, b, c = pcall(await, task)
      assert.same(ok and {1, 2, 3} or {a}, {a, b, c})
      assert.is_true(ok or not reached)
    end
  end))
end)
