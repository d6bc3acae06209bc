-- An async function makes a coroutine object; calling it runs nothing yet.
-- casync.run starts a loop, runs the object to its end and gives its result.
-- Shows: async, await, run, sleep.
local casync = require "casync"
local async, await = casync.async, casync.await

local greet = async(function(name)
  print("one moment, " .. name)
  await(casync.sleep(0.01))
  return "good day, " .. name
end)

local object = greet("Ada")
print("nothing has run yet")
print(casync.run(object))
print(casync.run(greet("Grace")))
