-- A function that computes without awaiting blocks everyone: timers are late
-- by as long as it takes. Cutting it into pieces with sleep(0) helps.
-- Shows: what blocking does, sleep(0) as a remedy.
local casync = require "casync"
local async, await = casync.async, casync.await

local function lateness(work)
  local loop = casync.get_running_loop()
  local late = loop:create_future()
  local due = loop:time() + 0.005
  loop:call_at(due, function() late:set_result(loop:time() - due) end)
  await(casync.gather(work(), late))
  return late:result()
end

local function busy(loop, seconds)
  local finish = loop:time() + seconds
  repeat until loop:time() >= finish
end

local in_one_go = async(function()
  busy(casync.get_running_loop(), 0.2)
end)

local in_pieces = async(function()
  for _ = 1, 200 do
    busy(casync.get_running_loop(), 0.001)
    await(casync.sleep(0))
  end
end)

casync.run(function()
  print("in one go, the timer is very late:", lateness(in_one_go) > 0.19)
  print("in pieces, it is not:", lateness(in_pieces) < 0.1)
end)
