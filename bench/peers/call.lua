--- A plain function is called: the floor under any kind of await.

local count = tonumber(arg[1]) or 3000000

local function work(i) return i end

local sum = 0
local start = os.clock()
for i = 1, count do sum = sum + work(i) end
local took = os.clock() - start
assert(sum == count * (count + 1) // 2)
print(("ns=%.1f"):format(took / count * 1e9))
