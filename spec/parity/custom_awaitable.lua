-- Objects with __await wherever an awaitable is taken.
local casync = require "casync"
local await = casync.await

local CountdownMeta = {
  __await = function(self)
    for _ = 1, self.n do await(casync.sleep(0)) end
    return "counted " .. self.n
  end,
}

local function Countdown(n) return setmetatable({ n = n }, CountdownMeta) end

local BrokenMeta = {
  __await = function()
    await(casync.sleep(0))
    error("broken awaitable", 0)
  end,
}

local LazyMeta = {
  __await = function(self)
    self.future = self.future or casync.ensure_future(Countdown(2))
    return await(self.future)
  end,
}

casync.run(function()
  print(await(Countdown(3)))
  print(await(Countdown(0)))
  local one, two = await(casync.gather(Countdown(1), Countdown(2)))
  print("gather; " .. one .. "; " .. two)
  print("wait_for " .. await(casync.wait_for(Countdown(1), 1)))
  print("ensure_future " .. await(casync.ensure_future(Countdown(1))))
  print("shield " .. await(casync.shield(Countdown(1))))
  local _, e = pcall(await, setmetatable({}, BrokenMeta))
  print("error " .. e)
  local lazy = setmetatable({}, LazyMeta)
  print("twice " .. await(lazy) .. " and " .. await(lazy))
  local again = Countdown(1)
  print("again " .. await(again) .. " and " .. await(again))

  local task = casync.ensure_future(Countdown(1000))
  await(casync.sleep(0))
  task:cancel()
  _, e = pcall(await, task)
  if casync.CancelledError:is(e) then print("cancelled " .. tostring(task:cancelled())) end
end)
