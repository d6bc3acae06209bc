-- wait_for gives up after a while and cancels what it waited for; shield
-- protects it from that. timeout() covers the rest of a block.
-- Shows: wait_for, shield, timeout, TimeoutError.
local casync = require "casync"
local async, await = casync.async, casync.await

local download = async(function(name, delay)
  local ok, e = pcall(await, casync.sleep(delay))
  if not ok then
    print("  " .. name .. " was cancelled")
    error(e, 0)
  end
  return name .. " complete"
end)

local function try(title, aw)
  local ok, value = pcall(await, aw)
  if not ok then value = casync.TimeoutError:is(value) and "timed out" or value end
  print(title .. ": " .. value)
end

casync.run(function()
  try("in time", casync.wait_for(download("small", 0.01), 0.2))
  try("too slow", casync.wait_for(download("large", 10), 0.02))
  try("no limit", casync.wait_for(download("medium", 0.02), nil))

  local task = casync.create_task(download("important", 0.12))
  try("shielded", casync.wait_for(casync.shield(task), 0.02))
  print("all the same: " .. await(task))

  local ok, e = pcall(function()
    local limit <close> = casync.timeout(0.08)
    print(await(download("first", 0.01)))
    print(await(download("second", 10)))
    print("never reached, limit " .. tostring(limit))
  end)
  print("block:", ok, casync.TimeoutError:is(e))
end)
