-- Tasks with names and results, deep calls of async functions.

local casync = require "casync"
local async, await, sleep = casync.async, casync.await, casync.sleep

local deep
deep = async(function(n)
  if n == 0 then return 0 end
  return await(deep(n - 1)) + 1
end)

return function(run)
  local sum = run(function(base)
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = casync.create_task(function()
        await(sleep(0.0003 * i))
        await(sleep(0))
        return i, i
      end)
    end
    local named = casync.create_task(async(function(x)
      return await(sleep(0.0005, x))
    end)(9), {name = "named"})
    local total = base
    for i = 1, 3 do total = total + await(tasks[i]) end
    assert(named:get_name() == "named" and tostring(named):find "named")
    return total + await(named) + await(deep(100))
  end, 1)
  assert(sum == 116)
end
