--- Task groups: tasks that do not outlive the block that made them.
--
-- Leaving the block waits for all. The first failure of a task cancels the
-- other tasks and the body; the block then raises an ExceptionGroup. The
-- cancellation of the body that a group itself has asked for is taken back
-- (uncancel) as the block is left; one from outside passes.

local core = require "casync.core"
local coroutines = require "casync.coroutines"
local exceptions = require "casync.exceptions"
local options = require "casync.options"
local tasks = require "casync.tasks"

local async, await, current_task = core.async, core.await, core.current_task
local create_task, running_loop = tasks.create_task, core.running_loop
local checktarget, invoke = coroutines.checktarget, coroutines.invoke
local CancelledError = exceptions.CancelledError
local ExceptionGroup = exceptions.ExceptionGroup
local KeyboardInterrupt = exceptions.KeyboardInterrupt

local taskgroups = {}

local TaskGroup = {__name = "casync.TaskGroup"}
TaskGroup.__index = TaskGroup

local function abort(self)
  self.aborting = true
  self.roster:cancel()
end

--- The parent has ended without leaving the block: what failed in the group
-- would be lost.
local function forgotten(self)
  if self.left then return end
  self.left = true
  local err = ExceptionGroup(
    "unhandled errors in a TaskGroup", self.errors)
  err.tracebacks = self.tracebacks
  self.loop:call_exception_handler {
    message = "a TaskGroup was never left: write 'local group <close> = ...'",
    exception = err,
    task = self.parent,
  }
end

--- Interrupt the body, once.
local function cancel_parent(self)
  if self.parent_cancelled then return end
  self.parent_cancelled = true
  self.parent:cancel()          -- first: it needs no memory
  if #self.errors > 0 then
    self.onforgotten = function() forgotten(self) end
    self.parent:add_done_callback(self.onforgotten)
  end
end

--- The block has been left: the parent, which may live long, forgets the group.
local function leaving(self)
  self.left = true
  if self.onforgotten then
    self.parent:remove_done_callback(self.onforgotten)
    self.onforgotten = nil
  end
end

local function fail(self, err, traceback)
  local n = #self.errors + 1
  self.errors[n] = err
  self.tracebacks[n] = traceback
  if KeyboardInterrupt:is(err) and self.base == nil then self.base = err end
end

--- A task that `start` waits for ended before it called `started`.
local function unstarted(ready, task, err)
  if err ~= nil then
    ready:set_exception(err)
  elseif task:cancelled() then
    ready:set_exception("the task was cancelled before it called 'started'")
  else
    ready:set_exception("the task ended without having called 'started'")
  end
end

--- A task has failed, or one that `start` waits for has ended.
local function task_done(self, task)
  local err
  if not task:cancelled() then err = task:exception() end
  local ready = self.starting[task]
  self.starting[task] = nil
  local waited = ready ~= nil and not ready:done()
  if waited then unstarted(ready, task, err) end
  -- The error of a task that 'start' waits for is raised there, and only
  -- there; KeyboardInterrupt ends everything.
  if err ~= nil and not (waited and not KeyboardInterrupt:is(err)) then
    fail(self, err, task:traceback())
    if self.left or self.parent:done() then
      self.loop:call_exception_handler {
        message = ("Task %s has errored out but its parent task %s is "
          .. "already completed"):format(tostring(task),
          tostring(self.parent)),
        exception = err,
        task = task,
      }
      return
    elseif not self.aborting and not self.parent_cancelled then
      abort(self)
      cancel_parent(self)
    end
  end
end

--- The end of a task could not be dealt with, for lack of memory: end all.
local function broken(self, err)
  self.broken = err
  if not self.aborting then
    abort(self)
    cancel_parent(self)
  end
end

local function wait(self)
  await(self.roster:wait())
end

--- Leave the block: wait for all tasks, then raise what is to be raised.
-- `failed` tells that the body ended by the error `err`.
local function leave(self, failed, err, traceback)
  if self.left then return end
  if current_task() ~= self.parent then
    error("a TaskGroup must be left by the task that made it", 2)
  end
  self.exiting = true
  local cancelled = failed and CancelledError:is(err)
  -- What to raise when nothing worse has happened.
  local cancellation = cancelled and err or nil
  if failed and KeyboardInterrupt:is(err) and self.base == nil then
    self.base = err
  end
  if failed and not self.aborting then abort(self) end
  local hopeless = false
  while self.roster:count() > 0 do
    local ok, why = pcall(wait, self)
    if not ok then
      if not CancelledError:is(why) then
        -- No memory for waiting, or a DeadlockError: the tasks have to be
        -- ended. Once: then nothing helps.
        if hopeless then
          leaving(self)
          error(why, 0)
        end
        hopeless = true
        if self.broken == nil then self.broken = why end
        if not self.aborting then abort(self) end
      elseif not self.aborting then
        cancellation = why
        abort(self)
      end
    end
  end
  leaving(self)
  if self.base ~= nil then error(self.base, 0) end
  if self.parent_cancelled and self.parent:uncancel() == 0 then
    cancellation = nil
  end
  if self.broken ~= nil then error(self.broken, 0) end
  if cancellation ~= nil and #self.errors == 0 then error(cancellation, 0) end
  if failed and not cancelled then fail(self, err, traceback) end
  if #self.errors > 0 then
    if self.parent:cancelling() > 0 then
      -- Cancelled from outside as well: that is still to be delivered.
      self.parent:uncancel()
      self.parent:cancel()
    end
    local group = ExceptionGroup("unhandled errors in a TaskGroup",
      self.errors)
    group.tracebacks = self.tracebacks
    error(group, 0)
  end
end

--- A group, for `local group <close> = TaskGroup()`.
function taskgroups.TaskGroup(...)
  if select("#", ...) > 0 then
    error("'TaskGroup' takes no arguments (tasks are made by "
      .. "group:create_task)", 2)
  end
  local parent = current_task()
  if not parent then
    error("TaskGroup should be used inside a task", 2)
  end
  local self = setmetatable({
    loop = core.running_loop(),
    parent = parent,            -- the task that leaves the block
    roster = nil,               -- the unfinished tasks
    starting = {},              -- task -> future that 'start' waits for
    errors = {},                -- in order of time
    tracebacks = {},            -- of the errors, by their index
    base = nil,                 -- KeyboardInterrupt passes bare
    broken = nil,               -- an error of the group's own
    aborting = false,           -- all have been cancelled
    exiting = false,            -- the body has ended
    left = false,               -- and the block too
    parent_cancelled = false,   -- have we cancelled the body?
    onforgotten = nil,          -- a done-callback of the parent
  }, TaskGroup)
  self.roster = core.roster(function(task)
    local ok, err = pcall(task_done, self, task)
    if not ok then broken(self, err) end
  end)
  return self
end

function TaskGroup:__close(err)
  leave(self, err ~= nil, err, nil)
end

function TaskGroup:__tostring()
  local state = ""
  if self.left then
    state = " finished"
  elseif self.aborting then
    state = " cancelling"
  elseif self.exiting then
    state = " exiting"
  end
  local errors = #self.errors > 0 and (" errors=%d"):format(#self.errors) or ""
  return ("<TaskGroup tasks=%d%s%s>"):format(self.roster:count(), errors, state)
end

--- Raise at the caller of the method when the group takes no more tasks.
local function checkopen(self, target)
  local why
  if self.left or (self.exiting and self.roster:count() == 0) then
    why = "is finished"
  elseif self.aborting then
    why = "is shutting down"
  end
  if why then
    core.close_coroutine(target)
    error(tostring(self) .. " " .. why .. " and takes no more tasks", 3)
  end
end

--- A task of this group, with the arguments of `casync.create_task`.
function TaskGroup:create_task(target, ...)
  checkopen(self, target)
  checktarget(target, "create_task", 0)
  local task
  if running_loop() == self.loop then
    task = create_task(target, ...)
  else
    task = self.loop:create_task(target, ...)
  end
  self.roster:add(task)
  return task
end

--- The tasks that have not ended, in order of creation.
function TaskGroup:tasks()
  return self.roster:list()
end

--- Cancel the tasks of the group and its body. That is no error: leaving the
-- function form then raises nothing.
function TaskGroup:cancel()
  if self.left or (self.exiting and self.roster:count() == 0) then return end
  abort(self)
  cancel_parent(self)
end

local start = async(function(self, fn, ...)
  local ready = self.loop:create_future()
  local function started(...)
    if not ready:done() then
      ready:set_result(...)
    elseif not ready:cancelled() then
      error("'started' has already been called", 2)
    end
  end
  local task = self.loop:create_task(fn, started, ...)
  self.starting[task] = ready
  self.roster:add(task, true)
  local results = table.pack(pcall(await, ready))
  if results[1] then return table.unpack(results, 2, results.n) end
  if not task:done() then
    -- Cancelled while waiting: the child must not run on unnoticed.
    task:cancel()
    local watch <close> = core.watch {task}
    local _ <close> = core.shield_scope()
    pcall(await, watch:wait(1, nil, false))
  end
  error(results[2], 0)
end, "start")

--- Awaitable: start `fn(started, ...)` as a task of the group and wait until
-- it calls `started(...)`; gives what was passed to that.
function TaskGroup:start(fn, ...)
  checkopen(self, nil)
  if type(fn) ~= "function" then
    error("bad argument #1 to 'start' (function expected, got "
      .. options.typename(fn) .. ")", 2)
  end
  return start(self, fn, ...)
end

local function finish(self, ok, ...)
  if ok then
    leave(self, false)
    return ...
  end
  local err = (...)
  leave(self, true, err, self.bodytrace)
  -- Only the cancellation that the group itself had asked for gets here.
end

local task_group = async(function(fn)
  local self <close> = taskgroups.TaskGroup()   -- 'finish' may lack memory
  return finish(self, xpcall(invoke, function(err)
    if err == nil then err = "nil error" end
    if not CancelledError:is(err) then
      self.bodytrace = debug.traceback(exceptions.text(err), 2)
    end
    return err
  end, fn, self))
end, "task_group")

--- Awaitable: the results of `fn(group)`, after all tasks of the group.
function taskgroups.task_group(fn)
  if type(fn) ~= "function" then
    error("bad argument #1 to 'task_group' (function expected, got "
      .. options.typename(fn) .. ")", 2)
  end
  return task_group(fn)
end

return taskgroups
