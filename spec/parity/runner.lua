-- Runner: several runs on one loop, one context; then closed for good.
local casync = require "casync"
local async, await = casync.async, casync.await

local var = casync.ContextVar("var", "unset")

local function remember(text)
  var:set(text)
  return casync.get_running_loop()
end

local function recall()
  return var:get(), casync.get_running_loop()
end

local left_task

local leaves_a_task = async(function()
  left_task = casync.create_task(function()
    local ok, e = pcall(await, casync.sleep(10))
    print("background ended")
    if not ok then error(e, 0) end
  end)
  await(casync.sleep(0))
  return "left"
end)

local first, closed

do
  local runner <close> = casync.Runner()
  first = runner:run(remember, "kept")
  local text, second = runner:run(recall)
  print(("same loop %s %s"):format(first == second, first == runner:get_loop()))
  print("context " .. text .. " outside " .. var:get())
  local ok, e = pcall(runner.run, runner, function() error("run failed", 0) end)
  if not ok then print("error " .. e) end
  print(runner:run(function()
    if not pcall(runner.run, runner, recall) then return "nested run is refused" end
  end))
  print(runner:run(leaves_a_task()))
  print("still pending between runs, done " .. tostring(runner:run(function() return left_task:done() end)))
  print("leaving")
  closed = runner
end
print("closed " .. tostring(first:is_closed()))
if not pcall(closed.run, closed, recall) then print("run after close is refused") end
closed:close()

do
  local runner <close> = casync.Runner {debug = true}
  print("debug " .. tostring(runner:get_loop():get_debug()))
end

local made = {}

local function factory()
  made[#made + 1] = casync.new_event_loop()
  return made[#made]
end

do
  local runner <close> = casync.Runner {loop_factory = factory}
  runner:run(recall)
  print(("made %d %s"):format(#made, runner:get_loop() == made[1]))
end
