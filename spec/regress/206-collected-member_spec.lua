-- A task of a group that had ended could be collected before the group dealt
-- with it; the group then read what had been freed (seen by 'make asan').

local casync = require "casync"
local helper = require "spec.helper"

local await, sleep = casync.await, casync.sleep

describe("a task of a group that is collected as it ends", function()
  it("is taken off the list", helper.async(function()
    for _ = 1, 20 do
      local group <close> = casync.TaskGroup()
      for _ = 1, 3 do
        group:create_task(function() await(sleep(0)) end)
        casync.create_task(function()
          await(sleep(0))
          collectgarbage()
          group:tasks()
        end)
      end
    end
  end))
end)
