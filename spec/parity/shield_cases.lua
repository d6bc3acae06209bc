-- shield: outer cancelled, inner cancelled, inner failing, mixes with gather.
local casync = require "casync"
local async, await = casync.async, casync.await

local work = async(function(value, delay)
  await(casync.sleep(delay or 0.01))
  return value
end)

local fail = async(function(text)
  await(casync.sleep(0.01))
  error(text, 0)
end)

local function attempt(title, aw)
  local ok, value = pcall(await, aw)
  if ok then
    print(title .. ": value " .. value)
  elseif casync.CancelledError:is(value) then
    print(title .. ": cancelled " .. value.message)
  else
    print(title .. ": error " .. value)
  end
end

local function both()
  return casync.create_task(work("x")), casync.create_task(work("y"))
end

casync.run(function()
  attempt("plain", casync.shield(work("a")))
  attempt("failing", casync.shield(fail("b")))

  local done = casync.get_running_loop():create_future()
  done:set_result("same")
  print("done future is itself " .. tostring(casync.shield(done) == done))

  local inner = casync.create_task(work("inner"))
  local outer = casync.shield(inner)
  await(casync.sleep(0))
  print(("cancel %s outer %s inner %s"):format(outer:cancel("outer"), outer:cancelled(), inner:cancelled()))
  attempt("outer", outer)
  attempt("inner", inner)

  inner = casync.create_task(work("inner"))
  outer = casync.shield(inner)
  await(casync.sleep(0))
  inner:cancel()
  attempt("inner cancelled", outer)
  print(("outer %s inner %s"):format(outer:cancelled(), inner:cancelled()))

  inner = casync.create_task(work("survives"))
  local shielded = casync.shield(inner)
  local task = casync.create_task(function()
    local ok, e = pcall(await, shielded)
    if ok then return end
    print("  waiter cancelled")
    error(e, 0)
  end)
  await(casync.sleep(0))
  task:cancel()
  attempt("waiter", task)
  attempt("inner of waiter", inner)

  inner = casync.create_task(fail("late"))
  outer = casync.shield(inner)
  await(casync.sleep(0))
  outer:cancel()
  attempt("outer of a failing one", outer)
  attempt("inner failing late", inner)

  local x, y = both()
  outer = casync.shield(casync.gather(x, y))
  await(casync.sleep(0))
  outer:cancel()
  attempt("shield of gather", outer)
  print("members " .. await(x) .. " " .. await(y))

  x, y = both()
  outer = casync.gather(casync.shield(x), casync.shield(y))
  await(casync.sleep(0))
  outer:cancel()
  attempt("gather of shields", outer)
  print("members " .. await(x) .. " " .. await(y))
end)
