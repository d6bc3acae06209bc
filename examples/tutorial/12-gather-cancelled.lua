-- Cancelling a gather cancels its members, and whoever awaits it sees
-- CancelledError, whatever return_exceptions says.
-- Shows: gather():cancel(), CancelledError.
local casync = require "casync"
local async, await = casync.async, casync.await

local worker = async(function(name)
  local ok, e = pcall(await, casync.sleep(10))
  if not ok then print(name .. " stops: " .. e.name) end
  error(e, 0)
end)

casync.run(function()
  for _, keep in ipairs { false, true } do
    local group = casync.gather(worker("left"), worker("right"), {return_exceptions = keep})
    casync.get_running_loop():call_later(0.01, group.cancel, group)
    local ok, e = pcall(await, group)
    print(("return_exceptions %s: %s %s"):format(keep, ok, casync.CancelledError:is(e)))
  end
end)
