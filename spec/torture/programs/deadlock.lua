-- Nothing is left that could wake the main task; and a main that fails.

local casync = require "casync"
local await = casync.await

return function(run)
  local ok, err = pcall(run, function()
    local task = casync.create_task(function()
      await(casync.get_running_loop():create_future())
    end)
    await(task)
  end)
  if ok or not casync.DeadlockError:is(err) then error(err, 0) end
  ok, err = pcall(run, function() error "main failed" end)
  if ok or not tostring(err):find "main failed" then error(err, 0) end
end
