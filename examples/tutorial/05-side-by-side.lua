-- gather runs its members at the same time: it takes as long as the slowest,
-- and gives the results in the order of its arguments.
-- Shows: gather.
local casync = require "casync"
local async, await = casync.async, casync.await

local job = async(function(name, delay)
  print(name .. " begins")
  await(casync.sleep(delay))
  print(name .. " ends")
  return name:upper()
end)

casync.run(function()
  local loop = casync.get_running_loop()
  local start = loop:time()
  local a, b, c = await(casync.gather(job("anna", 0.09), job("ben", 0.03), job("cleo", 0.06)))
  print(a, b, c)
  print("took less than the sum:", loop:time() - start < 0.17)
end)
