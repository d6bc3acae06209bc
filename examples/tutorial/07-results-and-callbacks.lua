-- Two ways to the result of a task: ask for it when the task is done, or let
-- a callback be called with the task. Asking too early is an error.
-- Shows: result, done, add_done_callback, InvalidStateError.
local casync = require "casync"
local async, await = casync.async, casync.await

local sum = async(function(a, b)
  print("adding")
  await(casync.sleep(0.01))
  return a + b
end)

local loop = casync.new_event_loop()
local task = loop:create_task(sum(10, 5))

local ok, e = pcall(task.result, task)
print("asked too early:", ok, casync.InvalidStateError:is(e))

task:add_done_callback(function(done)
  print("the callback gets the task itself:", rawequal(done, task))
  print("and its result:", done:result())
end)

print("done before the loop runs:", task:done())
print("run_until_complete gives", loop:run_until_complete(task))
print("done afterwards:", task:done(), task:result())
loop:close()
