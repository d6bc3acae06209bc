-- A task that ended while the group made it (an eager one) was never let go
-- by its loop: a server that works so grew for ever.

local casync = require "casync"
local core = require "casync.core"
local helper = require "spec.helper"

local await, sleep = casync.await, casync.sleep

describe("tasks of a group that end in their first step", function()
  it("are collected while the loop runs", helper.async(function()
    local loop = casync.get_running_loop()
    loop:set_task_factory(casync.eager_task_factory)
    local before = core.census(loop).anchors
    for _ = 1, 3 do
      local group <close> = casync.TaskGroup()
      for i = 1, 5 do group:create_task(function() return i end) end
      group:create_task(function() await(sleep(0)) end)
    end
    await(sleep(0))
    assert.equal(before, core.census(loop).anchors)
  end))

  it("are looked at when they have failed", helper.async(function()
    local loop = casync.get_running_loop()
    loop:set_task_factory(casync.eager_task_factory)
    local before = core.census(loop).anchors
    local ok, err = pcall(function()
      local group <close> = casync.TaskGroup()
      group:create_task(function() error("at once", 0) end)
      await(sleep(10))
    end)
    assert.is_false(ok)
    assert.same({"at once"}, err.errors)
    await(sleep(0))
    assert.equal(before, core.census(loop).anchors)
  end))
end)
