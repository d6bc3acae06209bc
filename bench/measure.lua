--- What the Lua programs share: clocks, memory, and which workload to run.

local measure = {}

local cpu, wall = 0, 0
local cpu_start, wall_start

--- The clock on the wall, in seconds; the programs that have one set it.
measure.now = nil

function measure.start()
  wall_start = measure.now and measure.now()
  cpu_start = os.clock()
end

function measure.stop()
  cpu = cpu + os.clock() - cpu_start
  if wall_start then wall = wall + measure.now() - wall_start end
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

--- Where task i of count is in an order that looks like none, from 0 to 1.
function measure.scrambled(i, count)
  return i * 7919 % count / count
end

--- Run the workload that the arguments name: its name, the number of
-- operations, and how often it is run. Prints ns and wall, per operation.
function measure.main(workloads)
  local run, count = workloads[arg[1]], tonumber(arg[2])
  if not run then return print("absent=1") end
  local repeats = tonumber(arg[3]) or 1
  for _ = 1, repeats do run(count) end
  if cpu_start then print(("ns=%.2f"):format(cpu / count / repeats * 1e9)) end
  if wall_start then print(("wall=%.2f"):format(wall / count / repeats * 1e9)) end
end

return measure
