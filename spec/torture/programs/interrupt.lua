-- SIGINT: the first cancels the main task, the second interrupts.

local casync = require "casync"
local await, sleep = casync.await, casync.sleep

-- `main(signal)` is ended by what `signal` does in a callback. When it ends
-- otherwise no signal comes later.
local function interrupted(run, main)
  local wanted = true
  local ok, err = pcall(run, main, function()
    if wanted then host.interrupt() end
  end)
  wanted = false
  if ok or not casync.KeyboardInterrupt:is(err) then error(err, 0) end
end

return function(run)
  interrupted(run, function(signal)
    casync.get_running_loop():call_later(0.0003, signal)
    await(sleep(20))
  end)
  interrupted(run, function(signal)
    casync.get_running_loop():call_soon(function()
      signal()
      signal()
    end)
    await(sleep(20))
  end)
end
