--- Two bare coroutines hand a value to and fro through two tables, resumed
-- in turn by a third party: the least that ping-pong over queues must do.

local count = tonumber(arg[1]) or 200000
local resume, yield = coroutine.resume, coroutine.yield

local there, back = {}, {}
local sum = 0

local ping = coroutine.create(function()
  for i = 1, count do
    there[1] = i
    while back[1] == nil do yield() end
    sum = sum + back[1]
    back[1] = nil
  end
end)

local pong = coroutine.create(function()
  for _ = 1, count do
    while there[1] == nil do yield() end
    back[1] = there[1]
    there[1] = nil
  end
end)

local start = os.clock()
while coroutine.status(ping) ~= "dead" do
  resume(ping)
  resume(pong)
end
local took = os.clock() - start
assert(sum == count * (count + 1) // 2)
print(("ns=%.1f"):format(took / count * 1e9))
