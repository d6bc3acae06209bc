-- A task begins when a loop runs, not when it is made; run cancels what is
-- left when main ends, and waits for its cleanup.
-- Shows: create_task without await, cancellation at the end of run.
local casync = require "casync"
local async, await = casync.async, casync.await

local background = async(function(name, delay)
  print(name .. " begins")
  local ok, e = pcall(await, casync.sleep(delay))
  if ok then
    print(name .. " ends")
  else
    await(casync.sleep(0.01))
    print(name .. " was cancelled and has tidied up")
    error(e, 0)
  end
end)

local short, long

casync.run(function()
  short = casync.create_task(background("short", 0.01))
  long = casync.create_task(background("long", 60))
  await(casync.sleep(0.08))
  print("main ends")
end)
print(("short: done %s, cancelled %s"):format(short:done(), short:cancelled()))
print(("long: done %s, cancelled %s"):format(long:done(), long:cancelled()))
