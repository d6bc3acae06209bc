-- cancelling() and uncancel() in hand-written time-outs, inside groups.
local casync = require "casync"
local async, await = casync.async, casync.await

local CancelledError = casync.CancelledError

local function count(where)
  print(("  %s: cancelling %d"):format(where, casync.current_task():cancelling()))
end

local function hand_timeout(delay, body)
  local task, expired = casync.current_task(), false
  local handle = casync.get_running_loop():call_later(delay, function()
    expired = true
    task:cancel("deadline")
  end)
  local ok, e = pcall(body)
  handle:cancel()
  if ok then return "ended" end
  if not CancelledError:is(e) then error(e, 0) end
  count("caught")
  if expired and task:uncancel() == 0 then
    count("uncancelled")
    return "timed out"
  end
  error(e, 0)
end

local function sleep_long() await(casync.sleep(1)) end

local function sleep_none() await(casync.sleep(0)) end

local function inside_group()
  local group <close> = casync.TaskGroup()
  group:create_task(function()
    local ok, e = pcall(await, casync.sleep(1))
    if ok then return end
    count("child")
    error(e, 0)
  end)
  count("in the group")
  await(casync.sleep(1))
end

local function run(title, fn, ...)
  local task = casync.create_task(fn, ...)
  local ok, value = pcall(await, task)
  print(("%s: %s, %d"):format(title, ok and value or "cancelled", task:cancelling()))
end

local function both()
  local task = casync.current_task()
  casync.get_running_loop():call_later(0.01, task.cancel, task, "outside")
  return hand_timeout(0.02, function()
    local ok, e = pcall(await, casync.sleep(1))
    await(casync.sleep(0.03))
    if not ok then error(e, 0) end
  end)
end

local counts = async(function()
  local task = casync.current_task()
  local text = { task:cancelling(), task:uncancel() }
  local function add(x) text[#text + 1] = x end
  task:cancel()
  task:cancel()
  add(task:cancelling())
  if not pcall(await, casync.sleep(0)) then add("once") end
  await(casync.sleep(0))
  add(task:uncancel())
  add(task:uncancel())
  add(task:uncancel())
  return table.concat(text, " ")
end)

local function library_timeout()
  local ok, e = pcall(function()
    local _ <close> = casync.timeout(0.01)
    count("entered")
    local slept, reason = pcall(await, casync.sleep(1))
    count("expired")
    if not slept then error(reason, 0) end
  end)
  if not ok and casync.TimeoutError:is(e) then count("converted") end
  await(casync.sleep(0))
  return "went on"
end

casync.run(function()
  run("in time", hand_timeout, 1, sleep_none)
  run("too late", hand_timeout, 0.01, sleep_long)
  run("group in it", hand_timeout, 0.01, inside_group)
  run("from both sides", both)
  run("counts", counts)
  run("library", library_timeout)
end)
