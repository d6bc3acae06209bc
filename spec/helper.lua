-- What specs of casync need. busted loads this before the specs, so that
-- casync is loaded once and not anew for each file.
--
-- In the environment: CASYNC_GC=incremental or generational makes the
-- collector as aggressive as it can be; CASYNC_TIMESCALE multiplies the time
-- limits, for runs under a checker.

local helper = {}

-- Without a core there are still specs that read the tree.
local loaded, casync = pcall(require, "casync")
local core = loaded and require "casync.core"

-- Seconds a spec may take, unless it says more.
local LIMIT = 5
-- Milliseconds that closing handles may take to be gone.
local GRACE = 200
-- Rounds after which 'settle' takes the others for busy for ever.
local ROUNDS = 1000

helper.scale = tonumber(os.getenv "CASYNC_TIMESCALE") or 1
helper.gc = os.getenv "CASYNC_GC"

if helper.gc == "incremental" then
  collectgarbage("incremental", 1, 400, 10)
elseif helper.gc == "generational" then
  collectgarbage("generational", 1, 1)
elseif helper.gc and helper.gc ~= "" then
  error("CASYNC_GC must be incremental or generational, not " .. helper.gc)
end

--- Let every ready task run, until all wait.
function helper.settle()
  local loop = casync.get_running_loop()
  for _ = 1, ROUNDS do
    casync.await(casync.sleep(0))
    if core.census(loop).ready == 0 then return end
  end
end

--- The error that fn(...) raises.
function helper.caught(fn, ...)
  local ok, err = pcall(fn, ...)
  assert(not ok, "an error was expected")
  return err
end

--- The error that fn(...) raises, which must be of that class.
function helper.raises(class, fn, ...)
  local err = helper.caught(fn, ...)
  assert(class:is(err), "not a " .. class.name .. ": " .. tostring(err))
  return err
end

--- fn(...) raises a string like `pattern`.
function helper.misuse(pattern, fn, ...)
  local err = helper.caught(fn, ...)
  assert(type(err) == "string" and err:find(pattern),
    ("not like '%s': %s"):format(pattern, tostring(err)))
end

function helper.iscancelled(err) return casync.CancelledError:is(err) end

--- A future of the running loop.
function helper.newfuture()
  return casync.get_running_loop():create_future()
end

--- What a task does that only waits.
function helper.forever() casync.await(casync.sleep(3600)) end

--- How many rounds of the loop pass until the task is done, at most 10.
function helper.rounds(task)
  for n = 0, 10 do
    if task:done() then return n end
    casync.await(casync.sleep(0))
  end
  return math.huge
end

--- Cancel all and see them end.
function helper.stop(...)
  for _, task in ipairs {...} do task:cancel() end
  helper.settle()
end

--- Collect in a list what the loop (default: the running one) reports to its
--- exception handler.
function helper.capture(loop)
  local contexts = {}
  loop = loop or casync.get_running_loop()
  loop:set_exception_handler(function(_, context)
    contexts[#contexts + 1] = context
  end)
  return contexts
end

-- The tasks that are not done, other than the running one.
local function pending_tasks()
  local list = {}
  local current = casync.current_task()
  for _, task in ipairs(casync.all_tasks()) do
    if task ~= current and not task:done() then list[#list + 1] = task end
  end
  return list
end

local function list_tasks(tasks)
  local lines = {}
  for i, task in ipairs(tasks) do lines[i] = "  " .. tostring(task) end
  return table.concat(lines, "\n")
end

-- Called by the main task at its end: what it has left behind, as a text,
-- or nil. A handle may take some turns of the loop until it is closed.
local function leftovers(loop, before)
  helper.settle()
  local tasks = pending_tasks()
  local census = core.census(loop)
  local found = {}
  if #tasks > 0 then
    found[#found + 1] = #tasks .. " pending:\n" .. list_tasks(tasks)
  end
  if census.timers > before.timers then
    found[#found + 1] = census.timers - before.timers .. " timers set"
  end
  if #found == 0 then
    for _ = 1, GRACE do
      if core.census(loop).handles <= before.handles then break end
      casync.await(casync.sleep(0.001))
    end
  end
  census = core.census(loop)
  if census.handles > before.handles then
    found[#found + 1] = census.handles - before.handles .. " handles open"
  end
  if #found > 0 then
    return "the spec left something behind:\n" .. table.concat(found, "\n")
  end
end

-- Cancel 'main' when it has not ended in time; again each time that it goes
-- on all the same. Gives a function that stops this and returns what to say.
local function watch(loop, main, limit)
  local message, timer
  local function expire()
    message = message or ("the spec took longer than %g s:\n%s\n%s"):format(
      limit, "  " .. tostring(main), list_tasks(pending_tasks()))
    main:cancel("the spec took too long")
    timer = loop:call_later(limit, expire)
  end
  timer = loop:call_later(limit, expire)
  return function()
    timer:cancel()
    return message
  end
end

--- A spec whose body is the main task of a new loop. It fails when the body
--- does, takes longer than 'limit' seconds (default 5), or leaves a task, a
--- timer or a handle behind. The body gets the arguments of the spec.
function helper.async(limit, body)
  if body == nil then limit, body = LIMIT, limit end
  return function(...)
    if not loaded then
      error("casync is not built, or cannot be loaded: try 'make'\n" ..
            tostring(casync), 0)
    end
    local runner = casync.Runner()
    local late, left
    local result = table.pack(pcall(runner.run, runner, function(...)
      local loop = casync.get_running_loop()
      local before = core.census(loop)
      local unwatch = watch(loop, casync.current_task(), limit * helper.scale)
      local results = table.pack(pcall(body, ...))
      late = unwatch()
      if not results[1] then error(results[2], 0) end
      if not late then left = leftovers(loop, before) end
    end, ...))
    local closed, trouble = pcall(runner.close, runner)
    if helper.gc then collectgarbage() end
    if late then error(late, 0) end
    if not result[1] then error(result[2], 0) end
    if left then error(left, 0) end
    if not closed then error(trouble, 0) end
  end
end

package.loaded["spec.helper"] = helper

return helper
