-- A finaliser that made a loop while one was being made got the same one. One
-- that ran a loop while 'run_until_complete' began made that wait for ever.

local casync = require "casync"
local core = require "casync.core"

local function run()
  local loop = casync.new_event_loop()
  loop:run_until_complete(casync.sleep(0))
  loop:close()
end

describe("a loop made and run by a finaliser", function()
  it("is another one than the loop that is being made", function()
    collectgarbage("incremental", 1, 1000)
    finally(function() collectgarbage("incremental", 200, 100) end)
    for _ = 1, 1000 do
      setmetatable({}, {__gc = function()
        if not core.running_loop() then run() end
      end})
      run()
    end
  end)

  -- A hook stands for the finaliser: it comes at each call.
  it("does not disturb one that begins to run", function()
    local before = table.pack(debug.gethook())
    finally(function() debug.sethook(table.unpack(before, 1, 3)) end)
    for n = 1, 30 do
      local calls = 0
      debug.sethook(function()
        calls = calls + 1
        if calls == n and not core.running_loop() then run() end
      end, "c")
      run()
      debug.sethook()
    end
  end)
end)
