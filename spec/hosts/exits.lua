-- os.exit(0, true) inside a task closes the state while its loop runs. SIGINT
-- is the system's again after that.

local casync = require "casync"
local await, sleep = casync.await, casync.sleep

casync.run(function()
  host.interrupt_at_exit()
  casync.create_task(sleep(3600))
  casync.create_task(casync.open_connection("127.0.0.1", 1))
  casync.create_task(casync.getaddrinfo("localhost", 80))
  await(sleep(0))
  os.exit(0, true)
end)
