-- One loop for several mains, one of which fails; loops made and closed.

local casync = require "casync"
local await, sleep = casync.await, casync.sleep

return function(run)
  run(function() await(sleep(0)) end)
  local runner <close> = casync.Runner()
  assert(runner:run(function() return 1 end) == 1)
  local ok, err = pcall(runner.run, runner, function()
    await(sleep(0.0002))
    error "failed"
  end)
  if ok or not tostring(err):find "failed" then error(err, 0) end
  runner:run(function()
    casync.create_task(function() await(sleep(20)) end)
    await(sleep(0))
  end)
  runner:close()

  local loop <close> = casync.new_event_loop()
  assert(loop:run_until_complete(sleep(0.0002, 3)) == 3)
end
