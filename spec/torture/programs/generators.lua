-- Async generators: to the end, left early, closed, left open.

local casync = require "casync"
local await, sleep = casync.await, casync.sleep

local cleaned = 0
local numbers = casync.generator(function(yield, n)
  local _ <close> = setmetatable({}, {__close = function()
    await(sleep(0))
    cleaned = cleaned + 1
  end})
  for i = 1, n do
    await(sleep(0))
    yield(i)
  end
end)

return function(run)
  run(function()
    local sum = 0
    for i in numbers(5) do sum = sum + i end
    assert(sum == 15)
    for i in numbers(5) do
      if i == 2 then break end
    end
    local third = numbers(3)
    assert(await(third:next()) == 1)
    await(third:close())
    local other = numbers(2)
    await(casync.create_task(function() await(other:next()) end))
    local left = numbers(4)
    await(left:next())
  end)
end
