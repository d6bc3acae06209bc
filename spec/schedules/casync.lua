--- Run random programs on casync: `lua casync.lua FILE`, where FILE has one
-- program a line. For each it prints its trace between "begin SEED" and
-- "end SEED"; a line "violation: ..." tells what did not hold.
--
-- The model of what must hold is in `model.lua`. A program is run twice: the
-- second trace must be the same, and both must leave the memory as it was.

local casync = require "casync"
local core = require "casync.core"
local clock = require "schedules.clock"
local model = require "spec.schedules.model"
local program = require "spec.schedules.program"

local await = casync.await
local UNIT = 0.125      -- of delays, in seconds: exact in binary, and in ms
local ODD = {[1] = nil, [2] = 42, [3] = false}  -- what may be an error, too

local run       -- the program that runs
local ops = {}

local function log(...)
  local line = table.concat({...}, " ")
  run.lines[#run.lines + 1] = line
end

-- ---- errors --------------------------------------------------------------

local Boom = casync.Error:extend "Boom"

local classes = {
  {casync.TimeoutError, "timeout"},
  {casync.InvalidStateError, "invalid state"},
  {casync.BrokenBarrierError, "broken barrier"},
  {casync.QueueEmpty, "empty"},
  {casync.QueueFull, "full"},
}

local function describe(err)
  if casync.CancelledError:is(err) then
    return "cancelled"
  elseif casync.ExceptionGroup:is(err) then
    local list = {}
    for i, e in ipairs(err.errors) do list[i] = describe(e) end
    return "group(" .. table.concat(list, ", ") .. ")"
  elseif Boom:is(err) then
    return err.message
  elseif type(err) == "table" and err.boom then
    return err.boom
  end
  for _, pair in ipairs(classes) do
    if pair[1]:is(err) then return pair[2] end
  end
  if type(err) ~= "string" then return "odd " .. tostring(err) end
  if err:find "^boom" or err == "nil error" then return err end
  -- A mistake of this interpreter, or of casync.
  if err:find "attempt to" or err:find "assertion failed" then
    run.model:violation(err)
  end
  return "misuse"
end

-- ---- steps ---------------------------------------------------------------

-- Behind a shield no cancellation comes; what waits there gives up at last.
local function limited(fn, ...)
  local _ <close> = casync.timeout(8 * UNIT)
  return fn(...)
end

local function exec(ctx, step)
  local number, op = step[1], step[2]
  log(number, op)
  local ok, result
  if ctx.shields > 0 then
    ok, result = pcall(limited, ops[op], ctx, number, table.unpack(step, 3))
  else
    ok, result = pcall(ops[op], ctx, number, table.unpack(step, 3))
  end
  if ok then
    log(number, "->", tostring(result))
    return
  end
  if casync.CancelledError:is(result) then run.model:delivered(ctx.task) end
  log(number, "!", describe(result))
  error(result, 0)
end

local function steps(ctx, list)
  for _, step in ipairs(list) do exec(ctx, step) end
end

-- Await something of which the cancellation of this task is all that can end
-- it early.
local function leaf(ctx, awaitable)
  local before = #run.lines
  local ok, result = pcall(await, awaitable)
  run.model:awaited(ctx, #run.lines > before, ok, result)
  if not ok then error(result, 0) end
  return result
end

local function run_body(body)
  local task = casync.current_task()
  run.model:begun(body[1], task)
  local ctx = {task = task, label = body[1], scopes = {}, groups = {},
               shields = 0}
  log("body", body[1])
  steps(ctx, body[2])
  return body[1]
end

local make = casync.async(run_body)

local function spawn(body, opts)
  local task = casync.create_task(make(body), opts)
  run.model:begun(body[1], task)
  return task
end

-- What a member stands for, or nil.
local function member(m)
  if m[1] == "label" then return run.model.tasks[m[2]] end
  if m[1] == "task" then return spawn(m[2]) end
  return make(m[2])
end

-- Each once: asyncio's gather cancels one that it has twice, twice.
local function members(list)
  local found, seen = {}, {}
  for _, m in ipairs(list) do
    local awaitable = member(m)
    if awaitable and not seen[awaitable] then
      found[#found + 1] = awaitable
      seen[awaitable] = true
    end
  end
  return found
end

-- Run fn(), then 'cleanup', whatever happens.
local function ensure(cleanup, fn)
  local ok, result = pcall(fn)
  cleanup()
  if not ok then error(result, 0) end
  return result
end

local function pop(list) list[#list] = nil end

local function callback(list)
  local mine = run
  return function()
    if run ~= mine then error "a callback of another program" end
    steps({scopes = {}, groups = {}, shields = 0}, list)
  end
end

function ops.sleep(ctx, _, delay)
  local till = clock.now() + delay * UNIT * 1000
  leaf(ctx, casync.sleep(delay * UNIT))
  run.model:check(clock.now() >= till, "a sleep ended early")
end

function ops.checkpoint(ctx) leaf(ctx, casync.checkpoint()) end

function ops.busy(_, _, delay) clock.advance(delay * UNIT * 1000 // 1 | 0) end

function ops.gc(_, _, full)
  if full then collectgarbage() else collectgarbage "step" end
end

function ops.raise(_, number, kind)
  local what = "boom " .. number
  if kind == 1 then error({boom = what}) end
  if kind == 2 then error(what, 0) end
  error(Boom(what))
end

function ops.raise_odd(_, _, kind) error(ODD[kind], 0) end

function ops.ev_set(_, _, i) run.events[i]:set() end
function ops.ev_clear(_, _, i) run.events[i]:clear() end
function ops.ev_wait(ctx, _, i) leaf(ctx, run.events[i]:wait()) end

function ops.fut_new(_, _, i)
  run.futures[i] = run.loop:create_future()
end

function ops.fut_await(_, _, i) return await(run.futures[i]) end
function ops.fut_set(_, n, i) run.futures[i]:set_result(n) end
function ops.fut_fail(_, n, i) run.futures[i]:set_exception(Boom("boom " .. n)) end
function ops.fut_cancel(_, _, i) return run.futures[i]:cancel() end

function ops.fut_callback(_, _, i, list)
  run.futures[i]:add_done_callback(callback(list))
end

function ops.done_callback(_, _, label, list)
  local task = run.model.tasks[label]
  if not task then return "none" end
  task:add_done_callback(callback(list))
end

function ops.cancel(_, number, label)
  local task = run.model.tasks[label]
  if not task then return "none" end
  local asked = task:cancel("c" .. number)
  if asked then run.model:asked(task) end
  return asked
end

function ops.uncancel(ctx)
  local n = ctx.task:uncancel()
  if n == 0 then run.model:delivered(ctx.task) end
  return n
end

function ops.cancelling(ctx) return ctx.task:cancelling() end

function ops.await_task(ctx, _, label)
  local task = run.model.tasks[label]
  if not task then return "none" end
  return ensure(function() run.model:delivered(ctx.task) end,
    function() return await(task) end)
end

function ops.result(_, _, label)
  local task = run.model.tasks[label]
  if not task then return "none" end
  return task:result()
end

-- Waiting for others that may swallow a cancellation passed on to them.
local function combined(ctx, awaitable)
  return ensure(function() run.model:delivered(ctx.task) end,
    function() return await(awaitable) end)
end

function ops.barrier(ctx, _, i) leaf(ctx, run.barriers[i]:wait()) end

function ops.barrier_end(ctx, _, i, reset)
  local barrier = run.barriers[i]
  leaf(ctx, reset and barrier:reset() or barrier:abort())
end

--- Call `body` with a lock, a permit or a condition held; `line` is its model.
local function holding(ctx, line, lock, body)
  line:enter(ctx.task, function() leaf(ctx, lock:acquire()) end)
  ensure(function()
    line:leave(ctx.task)
    lock:release()
  end, body)
end

function ops.lock(ctx, _, i, list)
  holding(ctx, run.model.locks[i], run.locks[i],
    function() steps(ctx, list) end)
end

function ops.sem(ctx, _, i, list)
  holding(ctx, run.model.semaphores[i], run.semaphores[i],
    function() steps(ctx, list) end)
end

-- The second condition has the third lock, the first one its own. Nobody waits
-- for a task that holds it: what waits for a condition takes its lock again,
-- cancelled or not, and so could not be ended.
local function line_of(i) return run.model.locks[i == 2 and 3 or 4] end

function ops.cond_wait(ctx, _, i)
  local cond, line = run.conditions[i], line_of(i)
  holding(ctx, line, cond, function()
    line:leave(ctx.task)
    ensure(function() line:hold(ctx.task) end,
      function() leaf(ctx, cond:wait()) end)
  end)
end

function ops.notify(ctx, _, i, n)
  local cond = run.conditions[i]
  holding(ctx, line_of(i), cond, function()
    if n == 0 then cond:notify_all() else cond:notify(n) end
  end)
end

function ops.call_soon(_, _, list)
  run.handles[#run.handles + 1] = run.loop:call_soon(callback(list))
end

function ops.call_later(_, _, delay, list)
  run.handles[#run.handles + 1] =
    run.loop:call_later(delay * UNIT, callback(list))
end

function ops.call_cancel(_, _, i)
  if not run.handles[i] then return "none" end
  run.handles[i]:cancel()
end

function ops.var_set(_, number) run.var:set(number) end
function ops.var_get() return run.var:get() end

function ops.spawn(_, _, body) spawn(body) end
function ops.eager(_, _, body) spawn(body, {eager_start = true}) end
function ops.call(_, _, body) return await(make(body)) end

function ops.timeout(ctx, _, delay, list)
  local scope
  local before = clock.now()
  return ensure(function()
    pop(ctx.scopes)
    log("expired", tostring(scope:expired()))
    run.model:check(not scope:expired() or scope == ctx.rescheduled
      or clock.now() >= before + delay * UNIT * 1000, "a time-out came early")
  end, function()
    local t <close> = casync.timeout(delay * UNIT)
    scope = t
    ctx.scopes[#ctx.scopes + 1] = t
    steps(ctx, list)
  end)
end

function ops.reschedule(ctx, _, delay)
  local scope = ctx.scopes[#ctx.scopes]
  if not scope then return "none" end
  scope:reschedule(run.loop:time() + delay * UNIT)
  ctx.rescheduled = scope
end

function ops.try(ctx, _, list)
  local ok, err = casync.pcall(steps, ctx, list)
  return ok or describe(err)
end

function ops.swallow(ctx, _, uncancel, list)
  local ok, err = pcall(steps, ctx, list)
  if ok then return end
  if not casync.CancelledError:is(err) then error(err, 0) end
  return uncancel and ctx.task:uncancel() or "swallowed"
end

function ops.finally(ctx, _, list, cleanup)
  ensure(function() steps(ctx, cleanup) end,
    function() steps(ctx, list) end)
end

function ops.wait_for(ctx, _, delay, m)
  local awaitable = member(m)
  if not awaitable then return "none" end
  return combined(ctx, casync.wait_for(awaitable, delay * UNIT))
end

function ops.shield(ctx, _, m)
  local awaitable = member(m)
  if not awaitable then return "none" end
  return combined(ctx, casync.shield(awaitable))
end

function ops.gather(ctx, _, keep, list)
  local results = combined(ctx,
    casync.gather(members(list), {return_exceptions = keep}))
  local words = {}
  for i = 1, results.n or #results do
    local r = results[i]
    words[i] = casync.is_failure(r) and describe(r.error) or tostring(r)
  end
  return table.concat(words, ",")
end

local WHEN = {casync.FIRST_COMPLETED, casync.FIRST_EXCEPTION,
              casync.ALL_COMPLETED}

local function labels(list)
  local words = {}
  for i, task in ipairs(list) do words[i] = run.model.labels[task] end
  table.sort(words)
  return table.concat(words, ",")
end

function ops.wait(ctx, _, delay, when, list)
  local set = members(list)
  if #set == 0 then return "none" end
  local before = ctx.task:cancelling()
  local done, pending = await(casync.wait(set, {
    timeout = delay > 0 and delay * UNIT or nil,
    return_when = WHEN[when],
  }))
  run.model:check(ctx.shields > 0 or ctx.task:cancelling() == before,
    "wait lost a cancellation")
  return labels(done) .. ";" .. labels(pending)
end

-- Those that are done at first would come in any order from asyncio.
local function unfinished(list)
  local set = {}
  for _, task in ipairs(members(list)) do
    if not task:done() then set[#set + 1] = task end
  end
  return set
end

function ops.completed(ctx, _, most, list)
  local set = unfinished(list)
  local n = 0
  for task in casync.as_completed(set) do
    n = n + 1
    run.model:check(task:done(), "as_completed gave what is not done")
    log("completed", tostring(await(task)))
    if n == most then return end
  end
  run.model:delivered(ctx.task)
end

function ops.completed_by(ctx, _, delay, list)
  local words = {}
  for task in casync.as_completed(members(list), {timeout = delay * UNIT}) do
    local ok, err = casync.pcall(await, task)
    words[#words + 1] = ok and "ok" or describe(err)
  end
  run.model:delivered(ctx.task)
  return table.concat(words, ",")
end

function ops.group(ctx, _, children, list)
  local tasks = {}
  ensure(function()
    pop(ctx.groups)
    for _, task in ipairs(tasks) do
      run.model:check(task:done(), "a child outlived its group")
    end
    run.model:delivered(ctx.task)
  end, function()
    local group <close> = casync.TaskGroup()
    ctx.groups[#ctx.groups + 1] = group
    for i, body in ipairs(children) do
      tasks[i] = group:create_task(make(body))
      run.model:begun(body[1], tasks[i])
    end
    steps(ctx, list)
  end)
end

function ops.group_cancel(ctx)
  local group = ctx.groups[#ctx.groups]
  if not group then return "none" end
  group:cancel()
  -- The body's own task is cancelled by it.
  if ctx.task:cancelling() > 0 then run.model:delivered(ctx.task) end
end

function ops.start(ctx, _, starts, body)
  return combined(ctx, casync.task_group(function(group)
    return await(group:start(function(started)
      if starts then started(1) end
      return run_body(body)
    end))
  end))
end

function ops.shielded(ctx, _, list)
  await(casync.shielded(function()
    ctx.shields = ctx.shields + 1
    ensure(function() ctx.shields = ctx.shields - 1 end,
      function() steps(ctx, list) end)
  end))
end

function ops.move_on(ctx, _, delay, list)
  local till = clock.now() + delay * UNIT * 1000
  local finished = await(casync.move_on_after(delay * UNIT, steps, ctx, list))
  run.model:check(finished or clock.now() >= till, "moved on too early")
  return finished
end

function ops.generator(ctx, _, count, most, inner, outer)
  local gen = casync.generator(function(yield)
    ensure(function() log "closed" end, function()
      for i = 1, count do
        steps(ctx, inner)
        yield(i)
      end
    end)
  end)
  for v in gen() do
    log("item", v)
    steps(ctx, outer)
    if v == most then goto out end
  end
  ::out::
end

-- One that nobody closes: the end of the task does, or the collector.
function ops.generator_left(_, _, count)
  local g = casync.generator(function(yield)
    for i = 1, count + 1 do yield(i) end
  end)()
  for _ = 1, count do await(g:next()) end
end

function ops.map(ctx, _, count, concurrency, ordered, list)
  local items = {}
  for i = 1, count do items[i] = i end
  local words = {}
  for i, v in casync.map(function(item)
    local task = casync.current_task()
    run.model:begun(0, task)
    steps({task = task, label = ctx.label, scopes = {}, groups = {},
           shields = 0}, list)
    return item
  end, items, {concurrency = concurrency, ordered = ordered}) do
    run.model:check(i == v, "map mixed its results up")
    words[#words + 1] = v
  end
  return table.concat(words, ",")
end

-- ---- queues --------------------------------------------------------------

local function item()
  run.items = run.items + 1
  return run.items
end

function ops.put(ctx, _, i)
  local v = item()
  leaf(ctx, run.queues[i]:put(v))
  run.model.queues[i]:put(v)
end

function ops.put_nowait(_, _, i)
  local v = item()
  run.queues[i]:put_nowait(v)
  run.model.queues[i]:put(v)
end

function ops.get(ctx, _, i)
  return run.model.queues[i]:got(leaf(ctx, run.queues[i]:get()))
end

function ops.get_nowait(_, _, i)
  return run.model.queues[i]:got(run.queues[i]:get_nowait())
end

function ops.join(ctx, _, i)
  leaf(ctx, run.queues[i]:join())
  run.model.queues[i]:joined()
end

function ops.task_done(_, _, i)
  run.queues[i]:task_done()
  run.model.queues[i]:task_done()
end

function ops.iterate(_, _, i, most)
  local n = 0
  for v in run.queues[i]:iter() do
    run.model.queues[i]:got(v)
    n = n + 1
    if n == most then return end
  end
end

-- ---- programs ------------------------------------------------------------

local EXPECTED = {
  ["^Task exception was never retrieved"] = true,
  ["^Future exception was never retrieved"] = true,
  ["exception in shielded future"] = true,
}

local function report(_, context)
  if context.handle then
    log("report", describe(context.exception))
    return
  end
  for pattern in pairs(EXPECTED) do
    if context.message:find(pattern) then return end
  end
  run.model:violation("a report: " .. context.message)
end

local function ticks(n)
  for _ = 1, n do await(casync.sleep(0)) end
end

-- Nobody waits for the others any more: each task ends once it is cancelled,
-- and those that swallow it when they are cancelled again.
local function finish(slowly)
  for _ = 1, slowly and 400 or 40 do
    local pending = false
    for _, task in ipairs(run.model.order) do
      if not task:done() then
        pending = true
        if task:cancel("end") then run.model:asked(task) end
      end
    end
    if not pending then break end
    ticks(5)
    if slowly then await(casync.sleep(UNIT)) end
  end
  for _, handle in ipairs(run.handles) do handle:cancel() end
end

local function main(p)
  run.loop = casync.get_running_loop()
  run.loop:set_exception_handler(report)
  local before = core.census(run.loop)
  run.locks = {casync.Lock(), casync.Lock(), casync.Lock()}
  run.conditions = {casync.Condition(), casync.Condition(run.locks[3])}
  run.semaphores = {casync.Semaphore(2), casync.BoundedSemaphore(1)}
  run.barriers = {casync.Barrier(2), casync.Barrier(3)}
  run.queues = {casync.Queue(), casync.Queue(1), casync.LifoQueue(2),
                casync.PriorityQueue(2)}
  run.var = casync.ContextVar("var", 0)
  for i = 1, 2 do run.events[i] = casync.Event() end
  for i = 1, 3 do run.futures[i] = run.loop:create_future() end

  local tasks = {}
  for i, body in ipairs(p[2]) do tasks[i] = spawn(body) end
  if #tasks > 0 then await(casync.wait(tasks, {timeout = 12 * UNIT})) end
  finish(not program.has_twin(p))
  ticks(10)

  for _, task in ipairs(casync.all_tasks()) do
    if task ~= casync.current_task() then
      run.model:violation("left behind: " .. tostring(task))
    end
  end
  for _, task in ipairs(run.model.order) do
    local state = task:cancelled() and "cancelled" or
      not task:done() and "pending" or
      task:exception() ~= nil and describe(task:exception()) or "ended"
    log("task", run.model.labels[task], state, task:cancelling())
  end
  run.model:finished(run)
  local after = core.census(run.loop)
  for name, n in pairs(after) do
    run.model:check(n <= before[name], ("%d %s left on the loop"):format(
      n - before[name], name))
  end
end

local function execute(p)
  run = {
    lines = {}, handles = {}, events = {}, futures = {}, items = 0,
  }
  run.model = model.new(function(text) log("violation:", text) end)
  local ok, err = pcall(casync.run, main, p)
  if not ok then log("violation: run raised", tostring(err)) end
  local lines = run.lines
  run = nil
  return table.concat(lines, "\n")
end

local function memory()
  for _ = 1, 8 do collectgarbage() end    -- finalisers keep things in turn
  return collectgarbage "count" * 1024
end

local aggressive = os.getenv "CASYNC_GC"
if aggressive == "incremental" then
  collectgarbage("incremental", 1, 400, 10)
elseif aggressive == "generational" then
  collectgarbage("generational", 1, 1)
end

-- The bytes that running it again and again adds up to. Tables grow now and
-- then; a leak shows each time.
local function growth(p)
  local least = math.huge
  for _ = 1, 10 do
    local before = memory()
    for _ = 1, 50 do execute(p) end
    least = math.min(least, memory() - before)
    if least <= 0 then return 0 end
  end
  return least
end

local programs = {}
for line in io.lines(arg[1]) do
  programs[#programs + 1] = program.decode(line)
end
for i, p in ipairs(programs) do
  io.write("begin ", p[1], "\n")
  io.flush()
  local first = execute(p)
  io.write(first, "\n")
  local second = execute(p)
  if second ~= first then
    io.write("violation: not the same the second time\n", second, "\n")
  end
  if i == #programs and not aggressive then
    local bytes = growth(p)
    if bytes > 0 then
      io.write("violation: each 50 runs leave ", bytes // 1, " bytes\n")
    end
  end
  io.write("end ", p[1], "\n")
end
