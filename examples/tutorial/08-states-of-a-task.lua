-- A task is pending, then once and for all finished, failed or cancelled;
-- tostring tells which, and what it does meanwhile.
-- Shows: tostring(task), done, cancelled, exception, set_name.
local casync = require "casync"
local async, await = casync.async, casync.await

local nap = async(function(delay)
  await(casync.sleep(delay))
  return "rested"
end)

local fall = async(function() error("fell off", 0) end)

local function state(task)
  local word = tostring(task):match("^<Task (%a+)")
  print(("%-9s %-9s done %-5s cancelled %s"):format(task:get_name(), word, task:done(), task:cancelled()))
end

casync.run(function()
  local sleeper = casync.create_task(nap(0.01)):set_name("sleeper")
  local faller = casync.create_task(fall()):set_name("faller")
  local victim = casync.create_task(nap(10)):set_name("victim")
  for _, t in ipairs { sleeper, faller, victim } do state(t) end
  await(casync.sleep(0))
  victim:cancel()
  await(casync.wait { sleeper, faller, victim })
  for _, t in ipairs { sleeper, faller, victim } do state(t) end
  print("result of sleeper: " .. sleeper:result())
  print("error of faller: " .. faller:exception())
  print("it names the function: " .. tostring(tostring(sleeper):find("coro=<nap()", 1, true) ~= nil))
end)
