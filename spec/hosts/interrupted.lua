-- SIGINT and a host with a loop in each thread: the loop of the main thread
-- takes it, wherever the system delivers it, and the others go on.

local casync = require "casync"
local await, sleep = casync.await, casync.sleep

if host.thread == 0 then
  local ok, err = pcall(casync.run, function()
    while host.running() < 5 do await(sleep(0.001)) end
    host.interrupt()
    await(sleep(60))
  end)
  assert(not ok and casync.KeyboardInterrupt:is(err), tostring(err))
  print "the main loop was interrupted"
else
  casync.run(function()
    while not host.finished() do await(sleep(0.001)) end
    assert(casync.current_task():cancelling() == 0)
  end)
end
