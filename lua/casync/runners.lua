--- Running a program: a new loop, its main task, and a clean end.

local core = require "casync.core"
local contextvars = require "casync.contextvars"
local events = require "casync.events"
local exceptions = require "casync.exceptions"
local generators = require "casync.generators"
local options = require "casync.options"
local tasks = require "casync.tasks"

local await = core.await
local CancelledError = exceptions.CancelledError
local KeyboardInterrupt = exceptions.KeyboardInterrupt

local runners = {}

local Runner = {__name = "casync.Runner"}
Runner.__index = Runner

-- How often the end of `run` cancels what is left. Tasks may make others as
-- they end; a program that never stops doing so is ended all the same.
local rounds = 100

local function all_ended(list)
  local watch <close> = core.watch(list)
  return pcall(await, watch:wait(#list, nil, false))
end

--- In a task of its own: end all others, then the generators.
local function shutdown(loop)
  local self = core.current_task()
  for _ = 1, rounds do
    local left = {}
    for _, task in ipairs(tasks.all_tasks(loop)) do
      if task ~= self then left[#left + 1] = task end
    end
    if #left == 0 then break end
    for _, task in ipairs(left) do task:cancel() end
    local ok, err = all_ended(left)
    for _, task in ipairs(left) do
      if task:done() and not task:cancelled()
          and task:exception() ~= nil then
        loop:call_exception_handler {
          message = "unhandled exception during casync.run() shutdown",
          exception = task:exception(),
          task = task,
        }
      end
    end
    if not ok then
      loop:call_exception_handler {
        message = "casync.run() gives up waiting for the tasks that are left",
        exception = err,
      }
      break
    end
  end
  generators.shutdown(loop)
end

local runneroptions = {debug = true, loop_factory = true}

--- Something that runs one main function after another in the same loop.
function runners.Runner(opts)
  opts = options.check(opts, runneroptions, "Runner")
  if opts.loop_factory ~= nil and type(opts.loop_factory) ~= "function" then
    error("bad option 'loop_factory' of 'Runner' (function expected, got "
      .. type(opts.loop_factory) .. ")", 2)
  end
  return setmetatable({
    debug = opts.debug,                 -- nil: as the environment says
    factory = opts.loop_factory or events.new_event_loop,
    loop = nil,                         -- made when first needed
    context = nil,                      -- lasts from run to run
    closed = false,
  }, Runner)
end

local function open(self, level)
  if self.closed then error("Runner is closed", level + 1) end
  if self.loop then return end
  self.loop = self.factory()
  if self.debug ~= nil then self.loop:set_debug(self.debug) end
  self.context = contextvars.copy_context()
end

--- Its loop.
function Runner:get_loop()
  open(self, 2)
  return self.loop
end

--- Is there a pcall between here and the main program (or the end of a
-- coroutine, whose resumer may catch errors)?
local function caught()
  local _, ismain = coroutine.running()
  if not ismain then return true end
  local level = 3
  while true do
    local info = debug.getinfo(level, "f")
    if not info then return false end
    local fn = info.func
    if fn == pcall or fn == xpcall then return true end
    level = level + 1
  end
end

local function maketask(self, main, opts, ...)
  if type(main) ~= "function" then
    return self.loop:create_task(main, {context = opts.context})
  elseif events.factories and self.loop:get_task_factory() then
    return self.loop:create_task(core.async(main)(...),
      {context = opts.context})
  end
  return core.create_task(self.loop, opts, main, ...)
end

--- The options after a main that is not a function, checked.
local function trailing(main, known, who, ...)
  if type(main) == "function" then return options.check(nil, known, who) end
  if not core.isawaitable(main) then
    error(("bad argument #1 to '%s' (a function or coroutine object was "
      .. "expected, got %s)"):format(who, type(main)), 3)
  elseif select("#", ...) > 1 then
    error(("too many arguments to '%s' (only a function can be given "
      .. "arguments)"):format(who), 3)
  end
  return options.check((...), known, who, 3)
end

local exitcode = false  -- has an interrupt left a run, to be the exit code?

local function outcome(self, task, ok, ...)
  local interrupts = core.interrupted(self.loop)
  core.interrupt_end(self.loop)
  if ok then return ... end
  local err = (...)
  if CancelledError:is(err) and interrupts > 0 and task:uncancel() == 0 then
    err = KeyboardInterrupt()
  end
  if not caught() then
    if KeyboardInterrupt:is(err) then
      exitcode = true
      core.interrupt_uncaught(true)
    end
    -- Of a busy loop that was interrupted this tells where.
    local traceback = task:done() and task:traceback()
    if traceback or exceptions.ExceptionGroup:is(err) then
      io.stderr:write(exceptions.format(err, traceback), "\n")
    end
  end
  error(err, 0)
end

--- Run a main function (or a coroutine object) to its end; its results.
function Runner:run(main, ...)
  if core.running_loop() then
    error("Runner.run() cannot be called from a running event loop", 2)
  end
  local opts = trailing(main, {context = true}, "run", ...)
  open(self, 2)
  local task = maketask(self, main,
    {context = opts.context or self.context}, ...)
  if exitcode then      -- the program has gone on after all
    exitcode = false
    core.interrupt_uncaught(false)
  end
  core.interrupt_begin(self.loop, task)
  return outcome(self, task, pcall(self.loop.run_until_complete, self.loop,
    task))
end

local function finish(loop)
  local task = core.create_task(loop, {name = "shutdown"}, shutdown, loop)
  core.interrupt_begin(loop, task)      -- Ctrl-C ends the waiting
  local ok, err = pcall(loop.run_until_complete, loop, task)
  core.interrupt_end(loop)
  if not ok then error(err, 0) end
end

--- Cancel what is left in the loop, wait for it, and close the loop.
function Runner:close()
  if self.closed then return end
  self.closed = true
  local loop = self.loop
  self.loop = nil
  if not loop or loop:is_closed() then return end
  local ok, err = pcall(finish, loop)   -- whatever happens there, close it
  core.collect_lost(loop, core.guard_last())
  loop:close()
  if not ok then error(err, 0) end
end

Runner.__close = Runner.close

local runoptions = {debug = true, loop_factory = true, context = true}

--- Run `main(...)` in a new loop and give its results; or a coroutine object,
-- which an options table may follow. Then ends what is still running.
function runners.run(main, ...)
  if core.running_loop() then
    error("casync.run() cannot be called from a running event loop", 2)
  end
  local opts = trailing(main, runoptions, "run", ...)
  local runner <close> = runners.Runner {
    debug = opts.debug,
    loop_factory = opts.loop_factory,
  }
  if type(main) == "function" then return runner:run(main, ...) end
  return runner:run(main, {context = opts.context})
end

return runners
