--- Many bare coroutines are created, then each is resumed to its end.

local count = tonumber(arg[1]) or 200000
local create, resume = coroutine.create, coroutine.resume

local function work(i) return i end

local start = os.clock()
local tasks, results = {}, {}
for i = 1, count do tasks[i] = create(work) end
for i = 1, count do
  local _, value = resume(tasks[i], i)
  results[i] = value
end
local took = os.clock() - start
assert(#results == count and results[count] == count)
print(("ns=%.1f"):format(took / count * 1e9))
