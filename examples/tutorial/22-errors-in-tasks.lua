-- An error in a task does not end the program: the task keeps it until
-- somebody asks. Nobody asked by the time the task is collected: a report.
-- Shows: result, exception, "Task exception was never retrieved".
local casync = require "casync"
local async, await = casync.async, casync.await

local divide = async(function(a, b)
  await(casync.sleep(0))
  if b == 0 then error("division by zero", 0) end
  return a // b
end)

casync.run(function()
  casync.get_running_loop():set_exception_handler(function(_, context)
    print("report: " .. context.message:match("^[^\n]+") .. ": " .. context.exception)
  end)

  local good, bad = casync.create_task(divide(42, 6)), casync.create_task(divide(1, 0))
  await(casync.wait { good, bad })
  print("result " .. good:result(), "exception " .. tostring(good:exception()))
  print("result thrown:", pcall(bad.result, bad))
  print("exception given: " .. bad:exception())

  casync.create_task(divide(2, 0))
  print("a third one, which nobody asks")
  await(casync.sleep(0.01))
  collectgarbage()
  collectgarbage()
  await(casync.sleep(0))
  print("going on")
end)
