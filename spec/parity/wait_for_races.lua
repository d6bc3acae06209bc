-- wait_for: results, errors and cancellations around the deadline.
local casync = require "casync"
local async, await = casync.async, casync.await

local TimeoutError, CancelledError = casync.TimeoutError, casync.CancelledError

local attempt = async(function(title, aw)
  local ok, value = pcall(await, aw)
  if ok then
    print(title .. ": value " .. value)
  elseif TimeoutError:is(value) then
    print(title .. ": timed out")
  elseif CancelledError:is(value) then
    print(title .. ": cancelled " .. value.message)
  else
    print(title .. ": error " .. value)
  end
end)

local work = async(function(delay, value)
  local ok, e = pcall(await, casync.sleep(delay))
  if ok then return value end
  print("  work cancelled")
  error(e, 0)
end)

local fails = async(function()
  await(casync.sleep(0))
  error("failed", 0)
end)

local swallows = async(function()
  local ok = pcall(await, casync.sleep(1))
  if not ok then return "swallowed" end
end)

local converts = async(function()
  local ok = pcall(await, casync.sleep(1))
  if not ok then error("in cleanup", 0) end
end)

local slow_cleanup = async(function()
  local _, e = pcall(await, casync.sleep(1))
  await(casync.sleep(0.02))
  print("  cleanup ended")
  error(e, 0)
end)

casync.run(function()
  local loop = casync.get_running_loop()
  await(attempt("in time", casync.wait_for(work(0.01, "a"), 1)))
  await(attempt("too late", casync.wait_for(work(1, "b"), 0.01)))
  await(attempt("no limit", casync.wait_for(work(0.01, "c"), nil)))
  await(attempt("fails", casync.wait_for(fails(), 1)))
  await(attempt("swallows", casync.wait_for(swallows(), 0.01)))
  await(attempt("converts", casync.wait_for(converts(), 0.01)))
  await(attempt("slow cleanup", casync.wait_for(slow_cleanup(), 0.01)))
  await(attempt("zero", casync.wait_for(work(0, "never started"), 0)))
  await(attempt("negative", casync.wait_for(work(0, "never started"), -1)))

  local done = loop:create_future()
  done:set_result("ready")
  await(attempt("done, zero", casync.wait_for(done, 0)))
  await(attempt("done, limit", casync.wait_for(done, 1)))

  local pending = loop:create_future()
  await(attempt("future, zero", casync.wait_for(pending, 0)))
  print("future cancelled " .. tostring(pending:cancelled()))

  local task = casync.create_task(work(1, "d"))
  await(attempt("task", casync.wait_for(task, 0.01)))
  print("task cancelled " .. tostring(task:cancelled()))

  task = casync.create_task(work(0.1, "protected"))
  await(attempt("shielded", casync.wait_for(casync.shield(task), 0.01)))
  print("task goes on: " .. await(task))

  local future = loop:create_future()
  loop:call_soon(future.set_result, future, "just in time")
  await(attempt("set while waiting", casync.wait_for(future, 1)))

  local outer = casync.create_task(attempt("outside", casync.wait_for(work(1, "e"), 1)))
  await(casync.sleep(0.005))
  outer:cancel()
  await(outer)

  await(attempt("nested, inner", casync.wait_for(casync.wait_for(work(1, "f"), 0.01), 1)))
  await(attempt("nested, outer", casync.wait_for(casync.wait_for(work(1, "g"), 1), 0.01)))

  local shared = casync.create_task(work(1, "shared"))
  local other = casync.create_task(attempt("shared by another", shared))
  await(casync.sleep(0))
  await(attempt("shared", casync.wait_for(shared, 0.01)))
  await(other)
end)
