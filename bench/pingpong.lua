--- Two tasks play ping-pong over two queues.
-- Prints nanoseconds of processor time per round trip.

local casync = require "casync"

local await = casync.await

local count = tonumber(arg[1]) or 200000

casync.run(function()
  local there, back = casync.Queue(1), casync.Queue(1)
  local sum = 0
  local start = os.clock()
  local pong = casync.create_task(function()
    for _ = 1, count do await(back:put(await(there:get()))) end
  end)
  for i = 1, count do
    await(there:put(i))
    sum = sum + await(back:get())
  end
  await(pong)
  local took = os.clock() - start
  assert(sum == count * (count + 1) // 2)
  print(("ns=%.1f"):format(took / count * 1e9))
end)
