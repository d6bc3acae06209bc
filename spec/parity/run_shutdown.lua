-- run(): what becomes of tasks that are still pending when main ends.
local casync = require "casync"
local async, await = casync.async, casync.await

local log = {}

local function note(s) log[#log + 1] = s end

local clean = async(function()
  local ok, e = pcall(await, casync.sleep(10))
  if ok then return end
  note("clean: cancelled")
  error(e, 0)
end)

local failing = async(function()
  local ok = pcall(await, casync.sleep(10))
  if not ok then error("in cleanup", 0) end
end)

local slow = async(function()
  local ok, e = pcall(await, casync.sleep(10))
  await(casync.sleep(0.01))
  note("slow: cleaned up")
  if not ok then error(e, 0) end
end)

local stubborn = async(function()
  local ok = pcall(await, casync.sleep(10))
  if not ok then note("stubborn: went on") end
  await(casync.sleep(0.01))
  note("stubborn: ended")
end)

local function show(title)
  print(title)
  table.sort(log)
  for _, line in ipairs(log) do print("  " .. line) end
  log = {}
end

local function watch()
  casync.get_running_loop():set_exception_handler(function(_, context)
    local known = context.message:find("^unhandled exception during") ~= nil
    note(("handler: shutdown %s: %s"):format(known, context.exception))
  end)
end

local tasks = {}
print(casync.run(function()
  watch()
  for i, fn in ipairs { clean, failing, slow, stubborn } do tasks[i] = casync.create_task(fn()) end
  await(casync.sleep(0))
  return "result"
end))
show("returning")
local states = {}
for i, t in ipairs(tasks) do states[i] = tostring(t:cancelled()) end
print(table.concat(states, " "))

local _, e = pcall(casync.run, function()
  watch()
  casync.create_task(clean())
  await(casync.sleep(0))
  error("from main", 0)
end)
print("raised " .. e)
show("raising")

local unstarted
print(casync.run(function()
  watch()
  unstarted = casync.create_task(clean())
  return "not started"
end) .. " " .. tostring(unstarted:cancelled()))
show("unstarted")

local numbers = casync.generator(function(yield)
  local ok, err = pcall(function()
    yield(1)
    yield(2)
  end)
  note("generator closed")
  if not ok then error(err, 0) end
end)

local kept
casync.run(function()
  watch()
  kept = numbers()
  note("first " .. await(kept:next()))
end)
show("generators")

_, e = pcall(casync.run, function()
  casync.current_task():cancel("enough")
  await(casync.sleep(0))
end)
if casync.CancelledError:is(e) then print("cancelled " .. e.message) end
if not pcall(casync.get_running_loop) then print("no running loop") end
