-- Three factorials and a member that fails. By default the first error comes
-- out of gather and the others go on; with return_exceptions it takes its
-- place among the results.
-- Shows: gather{return_exceptions}, is_failure.
local casync = require "casync"
local async, await = casync.async, casync.await

local factorial = async(function(name, n)
  if n < 0 then error("no factorial of " .. n, 0) end
  local f = 1
  for i = 2, n do
    print(("%s: times %d"):format(name, i))
    await(casync.sleep(0.02))
    f = f * i
  end
  print(("%s: %d! = %d"):format(name, n, f))
  return f
end)

local function members()
  return factorial("a", 2), factorial("b", -1), factorial("c", 4)
end

casync.run(function()
  local group = casync.gather(members())
  local ok, e = pcall(await, group)
  print("gather ended:", ok, e)
  await(casync.sleep(0.15))
  print("the others went on\n")

  local a, b, c = members()
  local one, two, three = await(casync.gather(a, b, c, {return_exceptions = true}))
  print("results:", one, casync.is_failure(two) and two.error, three)
end)
