-- timeout() nested, in the past, rescheduled, swallowed: who converts?
local casync = require "casync"
local await = casync.await

local TimeoutError, CancelledError = casync.TimeoutError, casync.CancelledError

local function nest(outer, inner, body)
  local task = casync.current_task()
  local text, a, b = {}, nil, nil
  local function note(s) text[#text + 1] = s end
  local ok, e = pcall(function()
    local scope <close> = casync.timeout(outer)
    a = scope
    local inner_ok, inner_e = pcall(function()
      local inner_scope <close> = casync.timeout(inner)
      b = inner_scope
      body()
    end)
    if inner_ok then
      note("inner ended")
    elseif TimeoutError:is(inner_e) then
      note("inner timed out")
    else
      if CancelledError:is(inner_e) then note("inner let it pass") end
      error(inner_e, 0)
    end
    await(casync.sleep(0.08))
  end)
  if ok then
    note("outer ended")
  elseif TimeoutError:is(e) then
    note("outer timed out")
  else
    error(e, 0)
  end
  return ("%s; expired %s %s; cancelling %d"):format(
    table.concat(text, ", "), a:expired(), b:expired(), task:cancelling())
end

local function sleep_long() await(casync.sleep(1)) end

local function sleep_short() await(casync.sleep(0.02)) end

local function no_wait() end

local function busy()
  local loop = casync.get_running_loop()
  local finish = loop:time() + 0.24
  while loop:time() < finish do end
  await(casync.sleep(1))
end

local function swallow()
  pcall(await, casync.sleep(1))
  await(casync.sleep(0))
end

local function fail() error("own", 0) end

local function show(title, fn, ...)
  local ok, value = pcall(await, casync.create_task(fn, ...))
  print(title .. ": " .. (ok and "" or "error ") .. value)
end

local function reschedule()
  local loop = casync.get_running_loop()
  local text, ended = {}, nil
  do
    local t <close> = casync.timeout(nil)
    text[1] = tostring(t:when() == nil)
    t:reschedule(loop:time() + 10)
    text[2] = tostring(t:when() > loop:time() + 5)
    t:reschedule(nil)
    await(casync.sleep(0.04))
    ended = t
  end
  text[3] = tostring(ended:expired())
  if not pcall(ended.reschedule, ended, loop:time()) then text[4] = "refused after the end" end
  local ok, e = pcall(function()
    local t <close> = casync.timeout(10)
    t:reschedule(loop:time() + 0.04)
    await(casync.sleep(1))
  end)
  if not ok and TimeoutError:is(e) then text[5] = "timed out" end
  return table.concat(text, ", ")
end

local function in_the_past(delay, body)
  local scope
  local ok, e = pcall(function()
    local t <close> = casync.timeout(delay)
    scope = t
    body()
  end)
  if not ok and not TimeoutError:is(e) then error(e, 0) end
  return (ok and "ended" or "timed out") .. ", expired " .. tostring(scope:expired())
end

local function zero_sleeps()
  local n = 0
  pcall(function()
    local _ <close> = casync.timeout(0)
    n = n + 1
    await(casync.sleep(0))
    n = n + 1
  end)
  await(casync.sleep(0))
  return n
end

local function cancelled_from_outside()
  local task = casync.create_task(function()
    local scope
    local ok, e = pcall(function()
      local t <close> = casync.timeout(10)
      scope = t
      await(casync.sleep(1))
    end)
    if ok then return end
    print("  cancelled, expired " .. tostring(scope:expired()))
    error(e, 0)
  end)
  await(casync.sleep(0))
  task:cancel()
  local ok, e = pcall(await, task)
  if not ok and CancelledError:is(e) then return "cancelled" end
end

casync.run(function()
  show("inner first", nest, 0.24, 0.04, sleep_long)
  show("outer first", nest, 0.04, 0.24, sleep_long)
  show("neither", nest, 0.2, 0.1, sleep_short)
  show("both while busy", nest, 0.08, 0.04, busy)
  show("swallowed", nest, 0.2, 0.04, swallow)
  show("both none", nest, nil, nil, sleep_short)
  show("own error", in_the_past, 10, fail)
  show("zero, waits", in_the_past, 0, sleep_long)
  show("zero, no wait", in_the_past, 0, no_wait)
  show("negative", in_the_past, -1, sleep_long)
  show("swallowed alone", in_the_past, 0.04, swallow)
  show("zero sleeps", zero_sleeps)
  show("reschedule", reschedule)
  show("from outside", cancelled_from_outside)
end)
