--- Making tasks, and waiting for several things at once.

local core = require "casync.core"
local coroutines = require "casync.coroutines"
local events = require "casync.events"
local exceptions = require "casync.exceptions"
local generators = require "casync.generators"
local options = require "casync.options"

local async, await = core.async, core.await
local iscoroutinefunction = core.iscoroutinefunction
local checktarget, invoke = coroutines.checktarget, coroutines.invoke
local TimeoutError = exceptions.TimeoutError

local tasks = {}

tasks.FIRST_COMPLETED = "FIRST_COMPLETED"
tasks.FIRST_EXCEPTION = "FIRST_EXCEPTION"
tasks.ALL_COMPLETED = "ALL_COMPLETED"

local unpack = table.unpack

-- Making tasks

local taskoptions = {name = true, context = true, eager_start = true}

--- What a task factory is given: always a coroutine object.
local function coroutineobject(target, ...)
  if type(target) == "function" then
    if iscoroutinefunction(target) then return target(...) end
    return async(target)(...)
  elseif core.iscoroutine(target) then
    return target
  end
  return async(function() return await(target) end)()
end

local function make(loop, opts, target, ...)
  local factory = events.factories and loop:get_task_factory()
  if not factory then return core.create_task(loop, opts, target, ...) end
  local coro = coroutineobject(target, ...)
  local task = factory(loop, coro, opts or {})
  if not core.isfuture(task) then
    error(("the task factory gave a %s instead of a task"):format(
      type(task)), 0)
  end
  return task
end

--- The task of `create_task` on a loop; `who` checks its arguments.
local function create(loop, who, target, ...)
  if type(target) == "function" then
    return make(loop, nil, target, ...)
  end
  checktarget(target, who, 0, 3)
  if select("#", ...) > 1 then
    error(("too many arguments to '%s' (only a function can be given "
      .. "arguments)"):format(who), 3)
  end
  local opts = (...)
  if opts ~= nil then options.check(opts, taskoptions, who, 3) end
  return make(loop, opts, target)
end

--- A task of this loop: `create_task(awaitable, {name=, context=,
-- eager_start=})`, or `create_task(fn, ...)` with arguments for the function.
function core.LoopMethods:create_task(target, ...)
  return create(self, "create_task", target, ...)
end

local function createrunning(target, ...)
  local loop = core.running_loop()
  if not loop then error("no running event loop", 3) end
  return create(loop, "create_task", target, ...)
end

--- A task of the running loop, with the arguments of `loop:create_task`. The
-- common case (no options, no task factory) is done in C.
tasks.create_task = core.create_task_or(function(target, ...)
  return createrunning(target, ...)
end)

--- Make a Task directly, as a task factory does: `Task(coro, {loop=, name=,
-- context=, eager_start=})`.
function tasks.Task(target, opts)
  opts = options.check(opts, {
    loop = true, name = true, context = true, eager_start = true,
  }, "Task")
  checktarget(target, "Task", 0)
  return core.create_task(opts.loop or events.get_event_loop(), {
    name = opts.name,
    context = opts.context,
    eager_start = opts.eager_start,
  }, target)
end

--- A task factory whose tasks run to their first wait as they are made.
function tasks.eager_task_factory(loop, coro, opts)
  opts = opts or {}
  local eager = opts.eager_start
  if eager == nil then eager = true end
  return core.create_task(loop, {
    name = opts.name,
    context = opts.context,
    eager_start = eager,
  }, coro)
end

local function ensure(loop, target)
  if events.factories and not core.isfuture(target) then
    return make(loop, nil, target)
  end
  return core.ensure_future(loop, target)
end

--- A future as it is; a task for a function or any other awaitable.
function tasks.ensure_future(target)
  checktarget(target, "ensure_future", 0)
  if core.isfuture(target) then return target end
  return ensure(events.get_event_loop(), target)
end

--- The running task of the running loop (or nil: a callback runs).
function tasks.current_task(loop)
  local running = core.running_loop()
  if loop ~= nil and loop ~= running then return nil end
  return core.current_task()
end

--- The tasks that have not ended, in order of creation.
function tasks.all_tasks(loop)
  loop = loop or core.running_loop()
  if not loop then error("no running event loop", 2) end
  return core.all_tasks(loop)
end

--- Write where the task is to a file (standard error).
function core.TaskMethods:print_stack(file)
  file = file or io.stderr
  local trace = core.stack_traceback(self)
  local text = tostring(self)
  if type(trace) == "string" then text = text .. "\n" .. trace end
  file:write(text, "\n")
end

-- Waiting

tasks.sleep = core.sleep

--- Awaitable: lets the others have a turn, and a cancellation come through.
function tasks.checkpoint()
  return core.sleep(0)
end

local function isplaintable(value)
  return type(value) == "table" and not core.isawaitable(value)
end

--- Check that all in `list` can be awaited or called.
local function checklist(list, n, who, level)
  local i = core.first_bad(list, n)
  if i then
    error(("bad item #%d of '%s' (function or awaitable expected, got %s)")
      :format(i, who, type(list[i])), (level or 2) + 1)
  end
end

--- The futures for a list of anything, each once, in order; and a function
-- that gives, for a future, all the things it stands for.
local function futuresof(loop, list, n)
  local futures, sources, seen = {}, {}, {}
  for i = 1, n do
    local item = list[i]
    local future = seen[item]
    if not future then
      future = ensure(loop, item)
      -- The same function twice is two calls.
      if type(item) ~= "function" then seen[item] = future end
      if not sources[future] then
        sources[future] = item
        futures[#futures + 1] = future
      end
    end
  end
  return futures, sources
end

--- The length of a list that may say so itself.
local function length(list)
  return math.type(list.n) == "integer" and list.n or #list
end

local Failure = {__name = "casync.Failure"}

function Failure:__tostring()
  return "Failure: " .. exceptions.text(self.error)
end

core.set_failure(Failure)

--- Is it what `gather` gives in the place of a result with return_exceptions?
-- It has the fields error and traceback.
function tasks.is_failure(value)
  return getmetatable(value) == Failure
end

local gatheroptions = {return_exceptions = true}

--- Run all at once: their first results in order, or the first error. Takes
-- them one by one, or as a list (then it gives a list); options come last.
function tasks.gather(...)
  local first = (...)
  local aslist = isplaintable(first)
  local list, opts, n
  if aslist then
    if select("#", ...) > 2 then
      error("too many arguments to 'gather' (a list and options expected)", 2)
    end
    list, opts = ...
    n = length(list)
    if rawget(list, "return_exceptions") ~= nil then
      error("the options of 'gather' come in a table after the list", 2)
    end
  else
    list = {...}
    n = select("#", ...)
    if n > 0 and isplaintable(list[n]) then
      opts = list[n]
      list[n] = nil
      n = n - 1
    end
  end
  opts = options.check(opts, gatheroptions, "gather")
  checklist(list, n, "gather")
  local loop = events.get_event_loop()
  if events.factories then
    local made = {}
    local seen = {}
    for i = 1, n do
      local item = list[i]
      local future = seen[item] or ensure(loop, item)
      if type(item) ~= "function" then seen[item] = future end
      made[i] = future
    end
    list = made
  end
  return core.gather(loop, list, opts.return_exceptions and true or false,
    aslist, n)
end

--- Protect a task from the cancellation of the one that awaits this.
function tasks.shield(target)
  checktarget(target, "shield", 0)
  local loop = events.get_event_loop()
  if events.factories then target = ensure(loop, target) end
  return core.shield(loop, target)
end

local function checkmany(list, who)
  if not isplaintable(list) then
    error(("bad argument #1 to '%s' (a list of functions and awaitables "
      .. "expected, got %s)"):format(who, options.typename(list)), 3)
  end
  local n = length(list)
  checklist(list, n, who, 3)
  return n
end

local wait = async(function(list, n, timeout, return_when)
  local loop = core.running_loop()
  local futures, sources = futuresof(loop, list, n)
  do
    local watch <close> = core.watch(futures)
    local enough = return_when == "FIRST_COMPLETED" and 1 or #futures
    await(watch:wait(enough, timeout, return_when == "FIRST_EXCEPTION"))
  end
  local done, pending = {}, {}
  local isdone, ispending = {}, {}
  for _, future in ipairs(futures) do
    local set, members = pending, ispending
    if future:done() then set, members = done, isdone end
    set[#set + 1] = future
    members[future], members[sources[future]] = true, true
  end
  return setmetatable(done, {__index = isdone}),
    setmetatable(pending, {__index = ispending})
end, "wait")

local waitoptions = {timeout = true, return_when = true}

--- Awaitable: wait until all are done (or as `return_when` and `timeout`
-- say); gives the list of the done and that of the pending.
function tasks.wait(list, opts)
  local n = checkmany(list, "wait")
  opts = options.check(opts, waitoptions, "wait")
  if n == 0 then error("bad argument #1 to 'wait' (the list is empty)", 2) end
  options.seconds(opts.timeout, "timeout", "wait", true)
  local return_when = opts.return_when or "ALL_COMPLETED"
  if tasks[return_when] ~= return_when then
    error(("Invalid return_when value: %s (FIRST_COMPLETED, FIRST_EXCEPTION "
      .. "or ALL_COMPLETED expected)"):format(tostring(return_when)), 2)
  end
  -- A copy: the caller may change the list before this is awaited.
  return wait(table.move(list, 1, n, 1, {}), n, opts.timeout, return_when)
end

--- Cancel a future and wait for its end, however it ends.
local function cancel_and_wait(future)
  future:cancel()
  local watch <close> = core.watch {future}
  await(watch:wait(1, nil, false))
end

local wait_for = async(function(target, timeout)
  if timeout == nil then return invoke(target) end
  local loop = core.running_loop()
  if timeout <= 0 then
    local future = ensure(loop, target)
    if not future:done() then
      cancel_and_wait(future)
      if future:cancelled() then
        local _, cause = pcall(future.result, future)
        error(TimeoutError(nil, {cause = cause}), 0)
      end
    end
    return future:result()
  end
  local _ <close> = core.timeout(loop:time() + timeout)
  return invoke(target)
end, "wait_for")

--- Awaitable: the results, or TimeoutError when they take longer; what was
-- awaited is then cancelled. nil: no limit.
function tasks.wait_for(target, ...)
  checktarget(target, "wait_for", 0)
  if select("#", ...) == 0 then
    error("bad argument #2 to 'wait_for' (a number of seconds expected, or nil "
      .. "for no limit)", 2)
  end
  local timeout = ...
  options.seconds(timeout, "timeout", "wait_for", true)
  return wait_for(target, timeout)
end

--- An iterator over the futures of a list as they get done.
function tasks.as_completed(list, opts)
  local n = checkmany(list, "as_completed")
  opts = options.check(opts, {timeout = true}, "as_completed")
  options.seconds(opts.timeout, "timeout", "as_completed", true)
  local loop = events.get_event_loop()
  local deadline = opts.timeout and loop:time() + opts.timeout
  local watch = core.watch((futuresof(loop, list, n)))
  return function()
    return await(watch:next(deadline))
  end
end

-- Bounded work

local Flight = {}

--- The results of a map are wanted no more: cancel the work, wait for its end.
function Flight:__close()
  local list = {}
  for task in pairs(self) do list[#list + 1] = task end
  table.sort(list, function(a, b) return self[a] < self[b] end)
  local pending = {}
  for _, task in ipairs(list) do
    if task:cancel() then pending[#pending + 1] = task end
  end
  if #pending > 0 then
    local watch <close> = core.watch(pending)
    await(watch:wait(#pending, nil, false))
  end
  -- The error that ends the map is the one that counts.
  for _, task in ipairs(list) do
    if task:done() and not task:cancelled() then task:exception() end
  end
end

--- A function that gives true and the next item, or nothing at the end.
local function sourceof(items)
  local meta = getmetatable(items)
  if type(items) == "function"
      or (type(meta) == "table" and meta.__call) then
    return function()
      local item = items()
      if item ~= nil then return true, item end
    end
  end
  local i, n = 0, length(items)
  return function()
    i = i + 1
    if i <= n then return true, items[i] end
  end
end

local mapping = generators.generator(function(yield, fn, items, most, ordered)
  local loop = core.running_loop()
  local flight <close> = setmetatable({}, Flight) -- unfinished task -> index
  local source = sourceof(items)
  local waiter                  -- a future: something has been done
  local done, ndone = {}, 0     -- when not ordered: tasks as they end
  local byindex = {}
  local started, given, exhausted = 0, 0, false

  local function ended(task)
    if not ordered then
      ndone = ndone + 1
      done[ndone] = task
    end
    if waiter and not waiter:done() then waiter:set_result() end
  end

  local function fill()
    while not exhausted and started - given < most do
      local more, item = source()
      if more then
        started = started + 1
        local task = make(loop, nil, fn, item)
        flight[task], byindex[started] = started, task
        task:add_done_callback(ended)
      else
        exhausted = true
      end
    end
  end

  local function pick()
    if ordered then
      local task = byindex[given + 1]
      return task:done() and task
    end
    return done[given + 1]
  end

  fill()
  while given < started do
    local task = pick()
    while not task do
      waiter = loop:create_future()
      await(waiter)
      task = pick()
    end
    local index = flight[task]
    local result = task:result()
    flight[task], byindex[index] = nil, nil
    given = given + 1
    if not ordered then done[given] = nil end
    yield(index, result)
    fill()
  end
end, "map")

local mapoptions = {concurrency = true, ordered = true}

--- An async iterator of index and result of `fn(item)`, with at most
-- `concurrency` (10) calls whose results have not been taken; `ordered`
-- (true) gives them in the order of the items, else as they come.
function tasks.map(fn, items, opts)
  opts = options.check(opts, mapoptions, "map")
  if type(fn) ~= "function" then
    error("bad argument #1 to 'map' (function expected, got "
      .. options.typename(fn) .. ")", 2)
  elseif type(items) ~= "function" and type(items) ~= "table" then
    error("bad argument #2 to 'map' (a list or an iterator expected, got "
      .. options.typename(items) .. ")", 2)
  end
  local most = opts.concurrency == nil and 10 or opts.concurrency
  if math.type(most) == nil or most ~= most or most < 1 then
    error(("bad concurrency for 'map' (a number of at least 1 expected, got "
      .. "%s)"):format(tostring(most)), 2)
  end
  return mapping(fn, items, most, opts.ordered ~= false)
end

local function retriable(on)
  if on == nil then return function() return true end end
  if type(on) == "function" then return on end
  if type(on) == "table" then
    local classes = on
    if on.is then classes = {on} end
    return function(err)
      for _, class in ipairs(classes) do
        if class:is(err) then return true end
      end
      return false
    end
  end
end

local retry = async(function(fn, attempts, delay, factor, max_delay, wanted)
  local attempt = 1
  while true do
    local results = table.pack(exceptions.pcall(invoke, fn))
    if results[1] then return unpack(results, 2, results.n) end
    local err = results[2]
    if attempt >= attempts or not wanted(err, attempt) then
      error(err, 0)
    end
    attempt = attempt + 1
    await(core.sleep(math.min(delay, max_delay)))
    delay = delay * factor
  end
end, "retry")

local retryoptions = {
  attempts = true, delay = true, factor = true, max_delay = true, on = true,
}

--- Awaitable: the results of `fn()`, called again after an error, up to
-- `attempts` (3) times, with `delay` (0.1) seconds in between, which grow by
-- `factor` (2) up to `max_delay`. `on`: an error class, a list of classes or
-- a function that tells which errors are worth it.
function tasks.retry(fn, opts)
  opts = options.check(opts, retryoptions, "retry")
  if type(fn) ~= "function" then
    error("bad argument #1 to 'retry' (function expected, got "
      .. options.typename(fn) .. ")", 2)
  end
  local attempts = opts.attempts == nil and 3 or opts.attempts
  if math.type(attempts) == nil or attempts ~= attempts
      or attempts < 1 then
    error(("bad attempts for 'retry' (a number of at least 1 expected, got "
      .. "%s)"):format(tostring(attempts)), 2)
  end
  for _, name in ipairs {"delay", "factor", "max_delay"} do
    options.seconds(opts[name], name, "retry", true)
  end
  local wanted = retriable(opts.on)
  if not wanted then
    error(("bad 'on' for 'retry' (an error class, a list of them or a "
      .. "function expected, got %s)"):format(type(opts.on)), 2)
  end
  return retry(fn, attempts, opts.delay or 0.1, opts.factor or 2,
    opts.max_delay or math.huge, wanted)
end

return tasks
