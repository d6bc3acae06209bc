-- A task that was being made when a debug hook raised an error kept its slot
-- in the pool of coroutines, and the coroutine with all that was on its stack.

local casync = require "casync"
local helper = require "spec.helper"

describe("create_task under a debug hook", function()
  it("keeps nothing when the hook raises", helper.async(function()
    local weak = setmetatable({}, {__mode = "k"})
    local sethook = debug.sethook
    local before = table.pack(debug.gethook())

    for _ = 1, 100 do
      local argument = {}
      weak[argument] = true
      sethook(function()
        local info = debug.getinfo(2, "f")
        if info.func == debug.gethook then error("no", 0) end
      end, "c")
      local ok, err = pcall(casync.create_task, print, argument)
      sethook(table.unpack(before, 1, 3))
      assert(not ok and err == "no", tostring(err))
    end
    collectgarbage()
    collectgarbage()

    assert.is_true(next(weak, next(weak)) == nil)
  end))
end)
