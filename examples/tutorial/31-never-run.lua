-- A task needs a loop that runs. One whose loop is closed before it could
-- begin is gone, and the exception handler is told.
-- Shows: the report "Task was destroyed but it is pending!".
local casync = require "casync"
local async = casync.async

local hopeful = async(function() print("never printed") end)

local loop = casync.new_event_loop()
loop:set_exception_handler(function(_, context)
  local message = context.message:match("Task was destroyed but it is pending!")
  if message then print("report: " .. message) end
end)

local task = loop:create_task(hopeful())
print("made, done " .. tostring(task:done()))
loop:close()
task = nil
collectgarbage()
collectgarbage()
print("the end", task)
