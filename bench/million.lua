--- Many tasks sleep for 1 to 2 s; a ticker of 1 ms runs beside them.
-- Prints seconds from the first task to the last, the peak of resident
-- memory, and the longest time the ticker had to wait once all tasks were
-- made.

local casync = require "casync"

local await, sleep = casync.await, casync.sleep

local count = tonumber(arg[1]) or 1000000

--- The peak of resident memory in MB, or nil where the system doesn't tell.
local function peak()
  local status <close> = io.open("/proc/self/status")
  local kb = status and status:read("a"):match("VmHWM:%s*(%d+)")
  return kb and kb / 1024
end

local function sleeper(i)
  await(sleep(1 + i / count))
end

casync.run(function()
  local loop = casync.get_running_loop()
  local gap, last = 0, nil
  local ticker = casync.create_task(function()
    while true do
      await(sleep(0.001))
      local now = loop:time()
      if last then gap = math.max(gap, now - last) end
      last = now
    end
  end)
  local tasks = {}
  local start = loop:time()
  for i = 1, count do tasks[i] = casync.create_task(sleeper, i) end
  last = loop:time()
  for i = 1, count do await(tasks[i]) end
  local took = loop:time() - start
  ticker:cancel()
  print(("seconds=%.2f"):format(took))
  print(("gap_ms=%.1f"):format(gap * 1000))
  local mb = peak()
  if mb then print(("mb=%.0f"):format(mb)) end
end)
