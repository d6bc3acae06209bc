-- A token bucket refilled by timers; requests are granted in order.
local casync = require "casync"
local async, await = casync.async, casync.await

local Bucket = {}
Bucket.__index = Bucket

local function new_bucket(size, interval)
  local self = setmetatable({ tokens = size, cond = casync.Condition() }, Bucket)
  self.refill = casync.create_task(function()
    while true do
      await(casync.sleep(interval))
      await(self.cond:with(function()
        if self.tokens < size then
          self.tokens = self.tokens + 1
          self.cond:notify()
        end
      end))
    end
  end)
  return self
end

function Bucket:take()
  local _ <close> = await(self.cond:acquire_scoped())
  await(self.cond:wait_for(function() return self.tokens > 0 end))
  self.tokens = self.tokens - 1
end

casync.run(function()
  local loop = casync.get_running_loop()
  local bucket = new_bucket(3, 0.02)
  local start, order, times = loop:time(), {}, {}

  local request = async(function(i)
    bucket:take()
    order[#order + 1] = i
    times[#times + 1] = loop:time() - start
  end)
  local tasks = {}
  for i = 0, 9 do tasks[i + 1] = casync.create_task(request(i)) end
  await(casync.sleep(0.01))
  tasks[6]:cancel()
  await(casync.gather(tasks, {return_exceptions = true}))
  print("granted " .. table.concat(order, " "))
  local early = 0
  for n, t in ipairs(times) do
    if t < (n - 3) * 0.02 - 0.001 then early = early + 1 end
  end
  print("too early " .. early)
  bucket.refill:cancel()
end)
