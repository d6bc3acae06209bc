-- Cancellation everywhere: each spec is run again for each of its awaits, in
-- whatever task, with a cancellation that arrives there. Its own asserts may
-- fail then; what counts is that nothing crashes or hangs, and that nothing
-- is held, queued or left afterwards. 'make cancel-everywhere' runs it; see
-- docs/reliability.md.
--
--   lua spec/support/cancelling.lua FILE...
--
-- In the environment:
--   CASYNC_CANCEL=name      only specs whose names contain it
--   CASYNC_CANCEL_AT=12:woken       only the 12th await, in that way
--   CASYNC_CANCEL_MOST=n    of a spec with more awaits n are tried (100)
--   CASYNC_SAMPLE=n         n points of each spec, drawn by CASYNC_SEED

-- Before casync is loaded: what its modules take from the core is ours.
local core = require "casync.core"
local watched = require "spec.support.watched"
local casync = require "casync"
local counts = require "counts"
local generators = require "casync.generators"
local helper = require "spec.helper"
local specs = require "spec.support.specs"

watched.complete(casync)

-- How a cancellation arrives at an await.
local WAYS = {
  "before",     -- asked for just before: to be raised at once
  "waiting",    -- in the next round, when the task waits
  "woken",      -- when the task was woken, but has not run
  "timeout",    -- a time-out around the spec expires as the main task waits
}

-- Specs of one file that cannot be run so, and why.
local EXCLUDED = {
  -- It tests programs, most of them in processes of their own.
  {"spec/downloader_spec.lua"},
  -- The same operations as in others, ten thousand times.
  {"spec/scale_spec.lua"},
  -- It breaks its tasks off by errors of its own, which hide ours.
  {"task_group that is cut off leaves no task behind"},
  -- They leave a server open, on purpose or when cut off: it goes on.
  {"a server goes away with its loop, whatever is open"},
  {"a connection that its handler refuses with an error"},
}

-- Of a spec with more awaits, so many are tried, evenly spread.
local MOST = tonumber(os.getenv "CASYNC_CANCEL_MOST") or 100
-- Seconds until a spec that waits for what was cancelled is cancelled again.
local PATIENCE = 0.03
-- How often.
local INSISTENCE = 50
-- Milliseconds that closing handles may take.
local GRACE = 500

local only = os.getenv "CASYNC_CANCEL" or ""
local only_at = os.getenv "CASYNC_CANCEL_AT"
local sample = tonumber(os.getenv "CASYNC_SAMPLE")
local seed = tonumber(os.getenv "CASYNC_SEED") or os.time()
local verbose = os.getenv "CASYNC_CANCEL_VERBOSE"

-- The run of a spec that goes on:
--   n, at, way       awaits so far; where and how to cancel (nil: nowhere)
--   ofmain           number of an await -> true if the main task's
--   live             a body runs whose awaits count
--   main, scope      its main task and the time-out around it
--   asked, raised, took     cancelled task; a CancelledError came out of an
--                    await; somebody has taken a request back
--   problems         a list of texts
local run

local function problem(text, ...)
  run.problems[#run.problems + 1] = text:format(...)
end

local function cancel(task)
  if run.live and not task:done() and task:cancel "everywhere" then
    run.asked = task
  end
end

-- Wait for the moment when the task has been woken and has not run. This is
-- called first in its round, hence before the task.
local function whenwoken(loop, task)
  if not run.live or task:done() then return end
  if core.waiting(task) == nil then return cancel(task) end
  loop:call_soon(whenwoken, loop, task)
end

local function arrive(task)
  local loop = core.running_loop()
  if run.way == "before" then cancel(task)
  elseif run.way == "waiting" then loop:call_soon(cancel, task)
  elseif run.way == "woken" then loop:call_soon(whenwoken, loop, task)
  elseif task == run.main and run.scope then
    run.scope:reschedule(loop:time())
  end
end

local function came(watch, ok, ...)
  if not ok then
    if casync.CancelledError:is((...)) then run.raised = true end
    error((...), 0)
  end
  if watch then watch(...) end
  return ...
end

local function credited(watch, ...)
  watch(...)
  return ...
end

-- Stands for 'await'.
watched.on_await(function(await, ...)
  local task = run and core.current_task()
  if not task or not core.isawaitable((...)) then return await(...) end
  local watch = watched.of((...))
  if core.iscoroutine((...)) then       -- a call: its awaits count
    if watch then return credited(watch, await(...)) end
    return await(...)
  end
  if run.live then
    run.n = run.n + 1
    if task == run.main then run.ofmain[run.n] = true end
    if run.n == run.at then arrive(task) end
  end
  if run.at then return came(watch, pcall(await, ...)) end
  if watch then return credited(watch, await(...)) end
  return await(...)
end)

function watched.on_uncancel() if run then run.took = true end end

-- Errors inside casync, wherever they come out.
local function look_inside(err)
  if type(err) ~= "string" then return end
  local place = err:match "/lua/casync/%w+%.lua:%d+: .*"
  if place then problem("an error inside casync: %s", place) end
end

function core.LoopMethods:default_exception_handler(context)
  if not run then return end
  if context.exception ~= nil then look_inside(context.exception) end
end

-- Has a task that was cancelled gone on as if nothing had been?
local function look_lost(task)
  if task and task:done() and not run.raised and not run.took
      and not task:cancelled() and task:exception() == nil then
    problem("the cancellation was lost: %s", tostring(task))
  end
end

-- Cancel the main task again and again when it goes on without an end.
local function insist(loop)
  local main = run.main
  local left = INSISTENCE
  local handle
  local function again()
    left = left - 1
    if left == 0 then
      problem("it does not end: %s", tostring(main))
      loop:stop()
      return
    end
    main:cancel "insisting"
    handle = loop:call_later(PATIENCE, again)
  end
  handle = loop:call_later(run.at and PATIENCE or 20, again)
  return function() handle:cancel() end
end

local function others(loop)
  local list = {}
  for _, task in ipairs(casync.all_tasks(loop)) do
    if task ~= casync.current_task() and not task:done() then
      list[#list + 1] = task
    end
  end
  return list
end

local function descriptors()
  local _, n = counts()
  return n
end

-- What the loop and the process hold. A connection that nobody reads is an
-- open descriptor, but no active handle.
local function census(loop)
  local now = core.census(loop)
  now.descriptors = descriptors()
  return now
end

-- End what was cut off with the body.
local function endall(loop)
  local left = others(loop)
  for _ = 1, INSISTENCE do
    if #left == 0 then break end
    for _, task in ipairs(left) do task:cancel "sweeping" end
    core.await(casync.wait(left, {timeout = PATIENCE}))
    watched.release()   -- what the body had is what a task may wait for
    left = others(loop)
  end
  watched.release()
  for _, task in ipairs(left) do
    problem("a task does not end: %s", tostring(task))
  end
  generators.shutdown(loop)
end

-- In a task: see what is left then.
local function sweep(loop, before)
  endall(loop)
  local now
  for i = 1, GRACE do
    if i <= 3 then collectgarbage() end
    helper.settle()
    now = census(loop)
    if i > 2 and now.handles <= before.handles
        and now.descriptors <= before.descriptors then
      break
    end
    core.await(casync.sleep(0.001))
  end
  -- No anchors: a gather of futures that nobody will settle has one.
  for _, kind in ipairs {"timers", "handles", "tasks", "descriptors"} do
    if now[kind] > before[kind] then
      problem("%d %s left", now[kind] - before[kind], kind)
    end
  end
end

-- Run the body of a spec as main task.
local function instrument(body, ...)
  local runner = casync.Runner()
  local loop = runner:get_loop()
  local before, stop
  local result = table.pack(pcall(runner.run, runner, function(...)
    run.main, run.live = casync.current_task(), true
    stop = insist(loop)
    -- With its first socket libuv opens a descriptor that it keeps in reserve.
    core.tcp_listen(print, "127.0.0.1", 0):close()
    before = census(loop)
    if run.way ~= "timeout" then return body(...) end
    local scope <close> = casync.timeout(nil)
    run.scope = scope
    return body(...)
  end, ...))
  run.live = false
  if stop then stop() end
  if not result[1] then look_inside(result[2]) end
  look_lost(run.asked)
  run.main, run.scope, run.asked = nil, nil, nil
  if loop:is_closed() then return table.unpack(result, 2, result.n) end
  if run.at then
    loop:set_task_factory(nil)
    local ok, err = pcall(runner.run, runner, sweep, loop, before)
    if not ok then problem("sweeping: %s", tostring(err)) end
  end
  local ok, err = pcall(runner.close, runner)
  if not ok then problem("closing: %s", tostring(err)) end
  if not result[1] then error(result[2], 0) end
  return table.unpack(result, 2, result.n)
end

function helper.async(limit, body)
  body = body or limit
  return function(...) instrument(body, ...) end
end

local casync_run = casync.run

function casync.run(main, ...)
  if not run or run.live or type(main) ~= "function" then
    return casync_run(main, ...)
  end
  return instrument(main, ...)
end

-- One run of a spec, cancelled at its `at`-th await. Gives the run, and
-- whether the spec passed.
local function once(body, at, way)
  collectgarbage()
  local before = descriptors()
  run = {n = 0, at = at, way = way, ofmain = {}, problems = {}}
  watched.begin()
  local ok, err = pcall(body)
  run.live = false
  if at then
    for _, text in ipairs(watched.unbalanced()) do problem("%s", text) end
    collectgarbage()
    collectgarbage()
    if descriptors() > before then
      problem("%d descriptors left", descriptors() - before)
    end
  end
  local this = run
  run = nil
  return this, ok, err
end

local totals = {specs = 0, awaits = 0, tried = 0, runs = 0, failures = 0,
                unlike = 0}

local function try(name, body, at, way)
  if verbose then print("  at", at, way) end
  local this = once(body, at, way)
  totals.runs = totals.runs + 1
  if #this.problems == 0 then return end
  totals.failures = totals.failures + 1
  print(("FAILED  %s\n        CASYNC_CANCEL_AT=%d:%s"):format(name, at, way))
  for _, text in ipairs(this.problems) do print("        " .. text) end
end

-- The awaits to be tried of the n that there are.
local function points(n)
  local list = {}
  if sample and n > sample then
    for i = 1, sample do list[i] = math.random(n) end
  else
    local most = math.min(n, MOST)
    for i = 1, most do list[i] = 1 + (i - 1) * n // most end
  end
  return list
end

local function runspec(file, name, body)
  if not specs.inprocess(name) or not name:find(only, 1, true) then return end
  for _, exclusion in ipairs(EXCLUDED) do
    if (file .. ": " .. name):find(exclusion[1], 1, true) then return end
  end
  if verbose then print(name) end
  local full = file .. ": " .. name
  local this, ok, err = once(body)
  if not ok then
    totals.unlike = totals.unlike + 1
    if verbose then print("  uncancelled:", err) end
  end
  if this.n == 0 then return end
  totals.specs = totals.specs + 1
  totals.awaits = totals.awaits + this.n
  if only_at then
    local at, way = only_at:match "^(%d+):(%a+)$"
    return try(full, body, tonumber(at), way)
  end
  local begun = os.clock()
  for _, at in ipairs(points(this.n)) do
    totals.tried = totals.tried + 1
    local ways = WAYS
    if sample then ways = {WAYS[math.random(#WAYS)]} end
    for _, way in ipairs(ways) do
      if way ~= "timeout" or this.ofmain[at] then try(full, body, at, way) end
    end
  end
  if verbose then print(("  %.1f s"):format(os.clock() - begun)) end
end

io.stdout:setvbuf "line"
math.randomseed(seed)
if sample then print("CASYNC_SEED=" .. seed) end
for _, file in ipairs(arg) do
  local awaits, runs, begun = totals.awaits, totals.runs, os.clock()
  specs.visit(file, function(name, body) runspec(file, name, body) end)
  if totals.runs > runs then
    print(("%-44s %6d awaits %7d runs %6.1f s"):format(file,
      totals.awaits - awaits, totals.runs - runs, os.clock() - begun))
  end
end
print(("%d specs, %d awaits, of which %d were tried, %d specs differ when "
  .. "watched"):format(totals.specs, totals.awaits, totals.tried,
  totals.unlike))
print(("%d passed, %d failed"):format(totals.runs - totals.failures,
  totals.failures))
os.exit(totals.failures == 0)
