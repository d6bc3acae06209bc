-- A task group that was cut off while its block was left did not wait for its
-- tasks, and they went on unnoticed.

local casync = require "casync"
local cutoff = require "spec.support.cutoff"
local helper = require "spec.helper"

local await = casync.await

describe("task_group that is cut off", function()
  it("leaves no task behind", helper.async(20, function()
    helper.capture()

    cutoff.everywhere(function(cut)
      local child
      await(casync.create_task(function()
        pcall(cut, await, casync.task_group(function(group)
          child = group:create_task(function() await(casync.sleep(0.001)) end)
        end))
      end))

      assert(child == nil or child:done())
    end)
    collectgarbage()    -- some were cut off before they were awaited
    collectgarbage()
  end))
end)
