-- Task groups: failing children, failing bodies, cancelled bodies, nesting.
local casync = require "casync"
local async, await = casync.async, casync.await

local function leaves(e)
  if not casync.ExceptionGroup:is(e) then return e end
  local parts = {}
  for i, member in ipairs(e.errors) do parts[i] = leaves(member) end
  return "[" .. table.concat(parts, ", ") .. "]"
end

local events = {}

local function event(what) events[#events + 1] = what end

local child = async(function(name, failing, delay)
  local ok, e = pcall(function()
    await(casync.sleep(0))
    if failing then error(name, 0) end
    await(casync.sleep(delay or 0.03))
    event("finished " .. name)
  end)
  if ok then return end
  if casync.CancelledError:is(e) then event("cancelled " .. name) end
  error(e, 0)
end)

local function case(title, make)
  local ok, e = pcall(await, casync.create_task(make))
  local text = "ok"
  if not ok then
    if casync.CancelledError:is(e) then
      text = "cancelled " .. e.message
    else
      text = "group " .. leaves(e)
    end
  end
  table.sort(events)
  print(("%s: %s; %s"):format(title, text, table.concat(events, ", ")))
  events = {}
end

local function simple(failing, body)
  local group <close> = casync.TaskGroup()
  for i = 1, 3 do group:create_task(child("child" .. i, i <= failing, i / 50)) end
  if body == "raises" then error("body", 0) end
  if body == "waits" then
    await(casync.sleep(0.05))
    event("body went on")
  end
end

local function late_children()
  local group <close> = casync.TaskGroup()
  group:create_task(function()
    await(casync.sleep(0))
    group:create_task(child("grandchild", false))
  end)
end

local function hand_cancelled()
  local group <close> = casync.TaskGroup()
  local a = group:create_task(child("by hand", false))
  group:create_task(child("beside", false))
  await(casync.sleep(0))
  await(casync.sleep(0))
  a:cancel()
end

local function nested()
  local outer <close> = casync.TaskGroup()
  outer:create_task(child("outer child", false))
  do
    local inner <close> = casync.TaskGroup()
    inner:create_task(child("inner child", true))
  end
end

local function cleanup_fails()
  local group <close> = casync.TaskGroup()
  group:create_task(function()
    pcall(await, casync.sleep(10))
    error("dirty cleanup", 0)
  end)
  group:create_task(child("trigger", true))
end

local function outside()
  local task = casync.create_task(function()
    local group <close> = casync.TaskGroup()
    group:create_task(child("left", false, 1))
    await(casync.sleep(10))
  end)
  await(casync.sleep(0.001))
  task:cancel("outside")
  await(task)
end

local function finished()
  local ended
  do
    local group <close> = casync.TaskGroup()
    ended = group
  end
  local ok = pcall(ended.create_task, ended, child("too late", false))
  if not ok then event("refused after the end") end
end

casync.run(function()
  for failing = 0, 2 do
    for _, body in ipairs { "ends", "waits", "raises" } do
      case(failing .. " failing, body " .. body, function() simple(failing, body) end)
    end
  end
  case("late children", late_children)
  case("cancelled by hand", hand_cancelled)
  case("nested", nested)
  case("cleanup fails", cleanup_fails)
  case("cancelled from outside", outside)
  case("finished", finished)
end)
