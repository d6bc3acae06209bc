--- Ten bare coroutines are resumed in turn: one resume and one yield each.

local TASKS = 10
local turns = (tonumber(arg[1]) or 2000000) // TASKS
local resume, yield = coroutine.resume, coroutine.yield

local function work()
  for _ = 1, turns do yield() end
end

local start = os.clock()
local tasks = {}
for i = 1, TASKS do tasks[i] = coroutine.create(work) end
for _ = 1, turns do
  for i = 1, TASKS do resume(tasks[i]) end
end
print(("ns=%.1f"):format((os.clock() - start) / (turns * TASKS) * 1e9))
