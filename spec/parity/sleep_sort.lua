-- Sleep sort: fifty numbers, each sleeping as long as it is large.
local casync = require "casync"
local async, await = casync.async, casync.await

casync.run(function()
  local loop = casync.get_running_loop()
  local start = loop:time() + 0.25
  local numbers, sleepers, result = {}, {}, {}

  local sleeper = async(function(n)
    await(casync.sleep(start + n * 0.004 - loop:time()))
    result[#result + 1] = n
  end)
  for i = 1, 50 do
    numbers[i] = i * 37 % 53
    sleepers[i] = sleeper(numbers[i])
  end
  await(casync.gather(sleepers))
  local text = table.concat(result, " ")
  print(text)
  table.sort(numbers)
  print("sorted " .. tostring(text == table.concat(numbers, " ")))
end)
