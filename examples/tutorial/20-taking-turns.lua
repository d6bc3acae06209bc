-- A task that never awaits keeps the loop to itself until it ends; one that
-- awaits now and then, if only sleep(0), lets the others have their turn.
-- Shows: sleep(0), wait, the order of tasks.
local casync = require "casync"
local async, await = casync.async, casync.await

local greedy = async(function(name, n)
  for i = 1, n do io.write(name, i, " ") end
end)

local polite = async(function(name, n)
  for i = 1, n do
    io.write(name, i, " ")
    if i % 3 == 0 then await(casync.sleep(0)) end
  end
end)

for _, count in ipairs { greedy, polite } do
  local loop = casync.new_event_loop()
  local a, b = loop:create_task(count("a", 9)), loop:create_task(count("b", 9))
  loop:run_until_complete(casync.wait { a, b })
  loop:close()
  print()
end
