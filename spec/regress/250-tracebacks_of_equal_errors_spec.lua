-- Errors are told apart by their value, and strings may be equal: tasks and
-- callbacks that failed with the same string, one after the other, had in
-- their traceback those of all that had failed before.

local casync = require "casync"
local helper = require "spec.helper"

local async, await, settle = helper.async, casync.await, helper.settle

local function fail() error("equal", 0) end

describe("The traceback of an error", function()
  it("has nothing of another task that failed with an equal string",
    async(function()
      local lengths = {}
      for i = 1, 4 do
        local task = casync.create_task(fail)
        assert.equal("equal", helper.caught(await, task))
        lengths[i] = #task:traceback()
      end

      assert.same({lengths[1], lengths[1], lengths[1], lengths[1]}, lengths)
    end))

  it("has nothing of another callback that failed with an equal string",
    async(function()
      local contexts = helper.capture()
      for _ = 1, 4 do
        casync.get_running_loop():call_soon(fail)
        settle()
      end

      assert.equal(4, #contexts)
      for _, context in ipairs(contexts) do
        assert.equal(contexts[1].traceback, context.traceback)
      end
    end))

  it("is not kept when the task that caught the error has ended",
    async(function()
      local err = setmetatable({}, {__tostring = function() return "x" end})
      local weak = setmetatable({err}, {__mode = "v"})
      casync.create_task(function()
        helper.caught(await, casync.create_task(function() error(err) end))
        err = nil
      end)
      settle()

      collectgarbage()

      assert.is_nil(weak[1])
    end))

  it("still has those of the task that raised it first", async(function()
    local inner = casync.create_task(fail)
    local outer = casync.create_task(function()
      local ok, err = pcall(await, inner)
      assert(not ok)
      error(err, 0)
    end)

    helper.caught(await, outer)

    assert.matches("awaited by task", outer:traceback())
    assert.is_true(#outer:traceback() > #inner:traceback())
  end))
end)
