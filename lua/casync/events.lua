--- The event loop: what is policy in it (see loop.c for the rest).

local contextvars = require "casync.contextvars"
local core = require "casync.core"
local exceptions = require "casync.exceptions"

local events = {}

local Loop = core.LoopMethods
local current                                   -- what set_event_loop set
local factories = setmetatable({}, {__mode = "k"})      -- task factories
local handlers = setmetatable({}, {__mode = "k"})       -- exception handlers

local function isloop(value)
  return type(value) == "userdata" and getmetatable(value) == "casync.Loop"
end

--- A new loop, in debug mode when the environment has CASYNC_DEBUG=1.
function events.new_event_loop()
  local loop = core.new_event_loop()
  local debugging = os.getenv "CASYNC_DEBUG"
  if debugging and debugging ~= "" and debugging ~= "0" then
    loop:set_debug(true)
  end
  return loop
end

--- The running loop; an error when none runs.
function events.get_running_loop()
  return core.running_loop() or error("no running event loop", 2)
end

--- The running loop, else the one that was set, else a new one, which is set.
function events.get_event_loop()
  local loop = core.running_loop() or current
  if not loop then
    loop = events.new_event_loop()
    current = loop
  end
  return loop
end

--- Set the loop that `get_event_loop` gives where none runs; nil: none.
function events.set_event_loop(loop)
  if loop ~= nil and not isloop(loop) then
    error("bad argument #1 to 'set_event_loop' (a loop or nil expected, got "
      .. type(loop) .. ")", 2)
  end
  current = loop
end

core.set_getloop(events.get_event_loop)

-- loop -> what its run_until_complete waits for. A finaliser that runs as one
-- begins may run another loop.
local awaited = setmetatable({}, {__mode = "k"})

local function stop(future)
  local loop = future:get_loop()
  if loop and future == awaited[loop] then loop:stop() end
end

local function run(loop, future)
  awaited[loop] = future
  future:add_done_callback(stop)
  core.set_main(loop, future)
  loop:run_forever()
end

--- The results of a future, of a function or of any awaitable, running the
-- loop until it has them.
function Loop:run_until_complete(target)
  if self:is_closed() then error("Event loop is closed", 2) end
  if self:is_running() then
    error("This event loop is already running", 2)
  elseif core.running_loop() then
    error("Cannot run the event loop while another loop is running", 2)
  elseif type(target) ~= "function" and not core.isawaitable(target) then
    error(("bad argument to 'run_until_complete' (function or awaitable "
      .. "expected, got %s)"):format(type(target)), 2)
  end
  local ours = not core.isfuture(target)
  local future = target
  if ours then
    future = self:create_task(target)
  elseif future:get_loop() ~= self then
    error("the future belongs to a different loop", 2)
  end
  local ok, err = pcall(run, self, future)
  awaited[self] = nil
  core.set_main(self, nil)
  future:remove_done_callback(stop)
  if not ok then
    -- What came out of the loop is what counts; the task's own error, most
    -- often the same, needs no report.
    if ours and future:done() and not future:cancelled() then
      future:exception()
    end
    error(err, 0)
  end
  if not future:done() then
    error("Event loop stopped before Future completed.", 2)
  end
  return future:result()
end

--- Let `factory(loop, coro, opts)` make the tasks of this loop; nil: no more.
function Loop:set_task_factory(factory)
  if factory ~= nil and type(factory) ~= "function" then
    error("task factory must be a function or nil", 2)
  end
  factories[self] = factory
  events.factories = next(factories) ~= nil
  core.set_factories(events.factories)
end

--- The task factory, or nil.
function Loop:get_task_factory()
  return factories[self]
end

--- Has any loop a task factory? Asked on the fast way of create_task.
events.factories = false

-- Exception handling

local captions = {
  source_traceback = "Object created at:\n",
  handle_traceback = "Handle created at:\n",
}
local hidden = {
  message = true, exception = true, traceback = true, warning = true,
}

local function tracebackof(context)
  if context.traceback then return context.traceback end
  local source = context.task or context.future
  if not core.isfuture(source) or not source:done() then return nil end
  local ok, traceback = pcall(source.traceback, source)
  return ok and traceback or nil
end

--- A value of a context; a context in a context is shown with its fields.
local function textof(value)
  if type(value) ~= "table" or getmetatable(value) then
    return exceptions.text(value)
  end
  local parts = {}
  for key, field in pairs(value) do
    parts[#parts + 1] =
      exceptions.text(key) .. "=" .. exceptions.text(field)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ", ") .. "}"
end

--- Write a report to standard error: its message, the rest of its context as
-- sorted lines, and the error with its traceback.
function Loop:default_exception_handler(context)
  local lines = {}
  for key, value in pairs(context) do
    if not hidden[key] then
      local caption = captions[key]
      local text = textof(value)
      if caption then text = caption .. text:gsub("%s+$", "") end
      lines[#lines + 1] = exceptions.text(key) .. ": " .. text
    end
  end
  table.sort(lines)
  local message = context.message
  if message == nil or message == "" then
    message = "Unhandled exception in event loop"
  end
  table.insert(lines, 1, exceptions.text(message))
  if context.exception ~= nil then
    lines[#lines + 1] =
      exceptions.format(context.exception, tracebackof(context))
  end
  io.stderr:write(table.concat(lines, "\n"), "\n")
end

--- A handler sees the context variables of what it is told about.
local function callhandler(handler, loop, context)
  local source = context.task or context.future or context.handle
  return contextvars.under(source, handler, loop, context)
end

local function default(loop, context)
  local ok, err = pcall(Loop.default_exception_handler, loop, context)
  if ok then return end
  if exceptions.KeyboardInterrupt:is(err) then error(err, 0) end
  pcall(function()
    io.stderr:write("Exception in default exception handler: ",
      exceptions.text(err), "\n")
  end)
end

local function report(loop, context)
  local handler = loop and handlers[loop]
  if not handler then return default(loop, context) end
  local ok, err = pcall(callhandler, handler, loop, context)
  if ok then return end
  if exceptions.KeyboardInterrupt:is(err) then error(err, 0) end
  default(loop, {
    message = "Unhandled error in exception handler",
    exception = err,
    context = context,
  })
end

core.set_report(report)

--- Let `handler(loop, context)` have the reports; nil: the default one again.
function Loop:set_exception_handler(handler)
  if handler ~= nil and type(handler) ~= "function" then
    error("a function or nil is expected as exception handler, got "
      .. type(handler), 2)
  end
  handlers[self] = handler
end

--- The exception handler that was set, or nil.
function Loop:get_exception_handler()
  return handlers[self]
end

--- Report: `context` has a message and perhaps exception, task, future, ...
function Loop:call_exception_handler(context)
  if type(context) ~= "table" then
    error("bad argument #1 to 'call_exception_handler' (table expected, got "
      .. type(context) .. ")", 2)
  end
  report(self, context)
end

return events
