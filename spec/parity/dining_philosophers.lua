-- Five philosophers, five forks, taken in order of number: nobody starves.
local casync = require "casync"
local async, await = casync.async, casync.await

local events = {}

local function ticks(n)
  for _ = 1, n do await(casync.sleep(0)) end
end

local philosopher = async(function(i, forks, meals)
  local left, right = i, (i + 1) % 5
  local low, high = math.min(left, right), math.max(left, right)
  for _ = 1, 3 do
    ticks(i)
    local _lower <close> = await(forks[low]:acquire_scoped())
    ticks(1)
    local _higher <close> = await(forks[high]:acquire_scoped())
    events[#events + 1] = "+" .. i
    meals[i + 1] = meals[i + 1] + 1
    ticks(2)
    events[#events + 1] = "-" .. i
  end
end)

casync.run(function()
  local forks, meals, tasks = {}, { 0, 0, 0, 0, 0 }, {}
  for i = 0, 4 do forks[i] = casync.Lock() end
  for i = 0, 4 do tasks[i + 1] = philosopher(i, forks, meals) end
  await(casync.gather(tasks))
  print("meals " .. table.concat(meals, " "))
  print("schedule " .. table.concat(events, " "))
  local taken = false
  for i = 0, 4 do taken = taken or forks[i]:locked() end
  print("forks free " .. tostring(not taken))
end)
