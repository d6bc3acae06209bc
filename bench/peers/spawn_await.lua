--- A bare coroutine is created and resumed to its end, then the next one.

local count = tonumber(arg[1]) or 500000
local create, resume = coroutine.create, coroutine.resume

local function work(i) return i end

local sum = 0
local start = os.clock()
for i = 1, count do
  local _, value = resume(create(work), i)
  sum = sum + value
end
local took = os.clock() - start
assert(sum == count * (count + 1) // 2)
print(("ns=%.1f"):format(took / count * 1e9))
