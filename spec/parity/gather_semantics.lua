-- gather: order, duplicates, failures, cancelled members, cancelled gather.
local casync = require "casync"
local async, await = casync.async, casync.await

local CancelledError = casync.CancelledError
local running = {}

local function text(x)
  if casync.is_failure(x) then x = x.error end
  if CancelledError:is(x) then return "cancelled" end
  return tostring(x)
end

local member = async(function(name, delay, err)
  running[name] = true
  local ok, e = pcall(await, casync.sleep(delay or 0.01))
  running[name] = nil
  if not ok then error(e, 0) end
  if err then error(err, 0) end
  return name
end)

local function show(title, what)
  local names = {}
  for name in pairs(running) do names[#names + 1] = name end
  table.sort(names)
  print(("%s: %s; running: %s"):format(title, what, table.concat(names, " ")))
end

local function attempt(title, future)
  local results = table.pack(pcall(await, future))
  if results[1] then
    local words = {}
    for i = 2, results.n do words[i - 1] = text(results[i]) end
    return show(title, table.concat(words, " "))
  end
  local e = results[2]
  if CancelledError:is(e) then return show(title, "CancelledError " .. e.message) end
  show(title, "error " .. e)
end

casync.run(function()
  attempt("order", casync.gather(member("a", 0.03), member("b", 0.02), member("c", 0.01)))
  local coro = member("d")
  attempt("duplicate", casync.gather(coro, coro))
  attempt("empty", casync.gather())
  local nested = casync.gather(casync.gather(member("e")), member("f", 0))
  local first, second = await(nested)
  show("nested", ("['%s'] %s"):format(first, second))

  local slow = casync.create_task(member("slow", 0.2))
  local g = casync.gather(slow, member("bad", 0.01, "first"), member("worse", 0.1, "second"))
  attempt("first error", g)
  print(("done %s cancelled %s cancel %s"):format(g:done(), g:cancelled(), g:cancel()))
  print("sibling goes on: " .. await(slow))

  attempt("return_exceptions", casync.gather(
    member("g"), member("h", 0.01, "kept"), member("i"), {return_exceptions = true}))

  local child = casync.create_task(member("child", 1))
  local other = casync.create_task(member("other", 0.1))
  g = casync.gather(child, other)
  await(casync.sleep(0))
  child:cancel("by hand")
  attempt("child cancelled", g)
  print("gather cancelled " .. tostring(g:cancelled()))
  await(other)

  child = casync.create_task(member("child", 1))
  g = casync.gather(child, member("j"), {return_exceptions = true})
  await(casync.sleep(0))
  child:cancel()
  attempt("child cancelled, returned", g)

  g = casync.gather(member("k", 1), member("l", 1))
  await(casync.sleep(0))
  print(("cancel %s done %s"):format(g:cancel(), g:done()))
  attempt("gather cancelled", g)

  g = casync.gather(member("m", 1), member("n", 1), {return_exceptions = true})
  await(casync.sleep(0))
  g:cancel()
  attempt("gather cancelled, returned", g)

  child = casync.create_task(function()
    local ok = pcall(await, casync.sleep(1))
    if not ok then print("  swallowed") end
    await(casync.sleep(0.01))
    return "stubborn"
  end)
  g = casync.gather(child, member("o", 1))
  await(casync.sleep(0))
  g:cancel()
  attempt("stubborn child", g)
  print("child " .. await(child))

  local task = casync.create_task(function()
    await(casync.gather(member("p", 1), member("q", 1)))
  end)
  await(casync.sleep(0.005))
  show("before", "waiting")
  task:cancel("from above")
  attempt("awaiting task cancelled", task)
end)
