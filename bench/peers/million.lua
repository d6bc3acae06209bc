--- Many bare coroutines stop once and go on once. Nobody sleeps here, so the
-- seconds are processor time and don't contain the 2 s that the others wait.

local count = tonumber(arg[1]) or 1000000

local function work(i)
  coroutine.yield(1 + i / count)
end

local start = os.clock()
local tasks = {}
for i = 1, count do tasks[i] = coroutine.create(work) end
for i = 1, count do coroutine.resume(tasks[i], i) end
for i = 1, count do coroutine.resume(tasks[i]) end
print(("seconds=%.2f"):format(os.clock() - start))

local status <close> = io.open("/proc/self/status")
local kb = status and status:read("a"):match("VmHWM:%s*(%d+)")
if kb then print(("mb=%.0f"):format(kb / 1024)) end
