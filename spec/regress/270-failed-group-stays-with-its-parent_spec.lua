local casync = require "casync"
local helper = require "spec.helper"

local await = casync.await

describe("a task that leaves many failed groups", function()
  it("keeps none of them", helper.async(function()
    local groups = setmetatable({}, {__mode = "k"})
    for _ = 1, 10 do
      casync.pcall(function()
        local group <close> = casync.TaskGroup()
        groups[group] = true
        group:create_task(function()
          await(casync.sleep(0))
          error "one fails"
        end)
      end)
    end

    helper.settle()
    collectgarbage()
    collectgarbage()

    assert.is_nil(next(groups))
  end))
end)
