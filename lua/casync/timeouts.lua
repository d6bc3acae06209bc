--- Limits on time, and protection from cancellation.

local core = require "casync.core"
local coroutines = require "casync.coroutines"
local options = require "casync.options"

local async = core.async
local invoke, checktarget = coroutines.invoke, coroutines.checktarget
local seconds = options.seconds

local timeouts = {}

local function needtask(who, level)
  if not core.current_task() then
    error(who .. " should be used inside a task", (level or 2) + 1)
  end
end

--- A scope that covers the rest of the block: `local t <close> = timeout(5)`.
-- When the time has passed, what the block waits for is cancelled and the
-- block raises TimeoutError. nil: no limit (until `reschedule`).
function timeouts.timeout(delay)
  seconds(delay, "delay", "timeout", true)
  needtask "timeout"
  return core.timeout(delay, true)
end

--- The same with a time of the loop's clock instead of a delay.
function timeouts.timeout_at(when)
  seconds(when, "time", "timeout_at", true)
  needtask "timeout_at"
  return core.timeout(when)
end

local with_timeout = async(function(delay, fn, ...)
  local _ <close> = core.timeout(delay, true)
  return invoke(fn, ...)
end, "with_timeout")

--- Awaitable: the results of `fn(...)`, or TimeoutError after the delay.
function timeouts.with_timeout(delay, fn, ...)
  seconds(delay, "delay", "with_timeout", true)
  checktarget(fn, "with_timeout", select("#", ...))
  return with_timeout(delay, fn, ...)
end

local function moved(scope, ok, ...)
  if ok then
    core.scope_exit(scope, nil)
    return true, ...
  elseif core.scope_exit(scope, (...)) then
    return false
  end
  error((...), 0)
end

local move_on_after = async(function(delay, fn, ...)
  local scope <close> = core.timeout(delay, true)    -- 'moved' may lack memory
  return moved(scope, pcall(invoke, fn, ...))
end, "move_on_after")

--- Awaitable: true and the results of `fn(...)`; false when it was cut off
-- after the delay.
function timeouts.move_on_after(delay, fn, ...)
  seconds(delay, "delay", "move_on_after", true)
  checktarget(fn, "move_on_after", select("#", ...))
  return move_on_after(delay, fn, ...)
end

local shielded = async(function(fn, ...)
  local _ <close> = core.shield_scope()
  return invoke(fn, ...)
end, "shielded")

--- Awaitable: the results of `fn(...)`. The task is not cancelled meanwhile;
-- a cancellation asked for is delivered at its first await after that.
function timeouts.shielded(fn, ...)
  checktarget(fn, "shielded", select("#", ...))
  return shielded(fn, ...)
end

return timeouts
