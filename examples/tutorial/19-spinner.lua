-- An animation runs beside a slow job and is cancelled when the job is done.
-- Cancelling throws CancelledError where the task waits; it may clean up.
-- Shows: cancel, CancelledError, a task beside an await.
local casync = require "casync"
local async, await = casync.async, casync.await

local spin = async(function(message)
  local signs, i = { "|", "/", "-", "\\" }, 0
  local ok, e
  repeat
    local status = signs[i % 4 + 1] .. " " .. message
    io.write(status, ("\b"):rep(#status))
    io.flush()
    i = i + 1
    ok, e = pcall(await, casync.sleep(0.1))
  until not ok
  local width = #message + 2
  io.write((" "):rep(width), ("\b"):rep(width))
  print(casync.CancelledError:is(e) and "spinner cancelled" or e)
  error(e, 0)
end)

local slow_answer = async(function()
  await(casync.sleep(0.25))
  return 42
end)

casync.run(function()
  local spinner = casync.create_task(spin("thinking!"))
  local answer = await(slow_answer())
  spinner:cancel()
  await(casync.wait { spinner })
  print("answer: " .. answer)
end)
