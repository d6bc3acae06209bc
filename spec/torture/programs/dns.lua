-- Names are looked up by libuv's threads, the first of which starts them.

local casync = require "casync"
local await, sleep = casync.await, casync.sleep

return function(run)
  run(function()
    local list = await(casync.getaddrinfo("localhost", 80, {family = "inet"}))
    assert(list[1].address == "127.0.0.1" and list[1].port == 80)
    assert(await(casync.getaddrinfo("127.0.0.1", 80))[1].port == 80)

    local task = casync.create_task(casync.getaddrinfo("localhost", 80))
    await(sleep(0))
    task:cancel()
    local ok, err = pcall(await, task)
    if ok or not casync.CancelledError:is(err) then error(err, 0) end
  end)
end
