-- The coroutine of a task that had ended looked suspended. Resumed, it gave
-- away the C function that runs tasks, and calling that crashed.

local casync = require "casync"
local helper = require "spec.helper"

local await = casync.await

local function assert_dead(co)
  assert.equal("dead", coroutine.status(co))
  assert.same({false, "cannot resume dead coroutine"},
    {coroutine.resume(co)})
end

describe("the coroutine of a task that has ended", function()
  it("is dead when get_coro gave it", helper.async(function()
    local task = casync.create_task(function() return 5 end)
    local co = task:get_coro()
    assert.equal(5, await(task))
    assert_dead(co)
  end))

  it("is dead when the task had asked for it", helper.async(function()
    local co
    await(casync.create_task(function() co = coroutine.running() end))
    assert_dead(co)
  end))
end)
