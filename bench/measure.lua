--- What the Lua programs share: clocks, memory, and which workload to run.

local measure = {}

local cpu, wall = 0, 0
local cpu_start, wall_start

--- The clock on the wall, in seconds; programs that have one set it. Bare Lua
-- has none, but never waits, so that its processor time is as good.
measure.now = os.clock

function measure.start()
  wall_start = measure.now()
  cpu_start = os.clock()
end

function measure.stop()
  cpu = cpu + os.clock() - cpu_start
  wall = wall + measure.now() - wall_start
end

--- A number of /proc/self/status in bytes, or nil where there is none.
local function status(key)
  local file <close> = io.open("/proc/self/status")
  local kb = file and file:read("a"):match(key .. ":%s*(%d+)")
  return kb and kb * 1024
end

function measure.resident() return status("VmRSS") end

--- Print what resident memory grew by, per piece, while `make` ran.
function measure.memory(count, make)
  collectgarbage()
  collectgarbage()
  local before = status("VmRSS")
  make()
  collectgarbage()
  collectgarbage()
  if before then print(("bytes=%.0f"):format((status("VmRSS") - before) / count)) end
end

--- Print the peak of resident memory, and what it grew by since it was `base`
-- per piece.
function measure.peak(base, count)
  local peak = status("VmHWM")
  if not peak then return end
  print(("mb=%.1f"):format(peak / 2^20))
  if base then print(("bytes=%.0f"):format((peak - base) / count)) end
end

--- A ticker beside sleepers: the longest time between its ticks while the
-- tasks begin, once all are made, and then while all are asleep or wake up.
function measure.ticker(count)
  local ticker = {asleep = 0}   -- the tasks count themselves
  local longest_begin, longest, last, all = 0, 0, nil, false

  function ticker.made() longest_begin, last = 0, measure.now() end

  function ticker.tick()
    local now = measure.now()
    local gap = last and now - last or 0
    if all then
      longest = math.max(longest, gap)
    else
      longest_begin = math.max(longest_begin, gap)
    end
    last, all = now, ticker.asleep == count
  end

  function ticker.report()
    print(("begin_gap_ms=%.1f"):format(longest_begin * 1000))
    print(("gap_ms=%.1f"):format(longest * 1000))
  end

  return ticker
end

--- Where task i of count is in an order that looks like none, from 0 to 1.
function measure.scrambled(i, count)
  return i * 7919 % count / count
end

--- Run the workload that the arguments name: its name, the number of
-- operations, and how often it is run. Prints ns and wall, per operation.
function measure.main(workloads)
  local run, count = workloads[arg[1]], tonumber(arg[2])
  if not run then return print("missing=1") end
  local repeats = tonumber(arg[3]) or 1
  for _ = 1, repeats do run(count) end
  if not cpu_start then return end
  print(("ns=%.2f"):format(cpu / count / repeats * 1e9))
  print(("wall=%.2f"):format(wall / count / repeats * 1e9))
end

return measure
