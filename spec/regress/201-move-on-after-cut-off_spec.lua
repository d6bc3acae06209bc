-- move_on_after that was cut off after its function left its scope open, and
-- the time-out would have hit the task somewhere else.

local casync = require "casync"
local cutoff = require "spec.support.cutoff"
local helper = require "spec.helper"

local await = casync.await

describe("move_on_after that is cut off", function()
  it("leaves no scope open", helper.async(20, function()
    local reports = helper.capture()

    cutoff.everywhere(function(cut)
      await(casync.create_task(function()
        pcall(cut, function()
          return await(casync.move_on_after(3600, function() end))
        end)
      end))
    end)
    collectgarbage()    -- some were cut off before they were awaited
    collectgarbage()

    for _, report in ipairs(reports) do
      assert.not_matches("still open", report.message)
    end
  end))
end)
