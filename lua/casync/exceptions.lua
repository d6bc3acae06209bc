--- The errors of casync, and calls that catch errors.
--
-- A class is the metatable of its errors. It has a name and a parent, and is
-- called to make an error: `TimeoutError("too slow")`.

local core = require "casync.core"
local options = require "casync.options"

local stockpcall, stockxpcall = pcall, xpcall

local exceptions = {}

local Error = {
  name = "Error",
  __name = "casync.Error",
  options = {cause = true},     -- what its second argument may have
}
Error.__index = Error

local function construct(class, message, opts)
  local err = {message = message == nil and "" or message}
  for name, value in pairs(options.check(opts, class.options, class.name)) do
    err[name] = value
  end
  return setmetatable(err, class)
end

function Error:__tostring()
  if self.message == nil or self.message == "" then return self.name end
  return self.name .. ": " .. tostring(self.message)
end

setmetatable(Error, {
  __call = construct,
  __tostring = function(class) return "class " .. class.name end,
})

--- A class for errors of your own, below this one. `fields` lists the names
-- it takes in its options besides those of its parent.
function Error:extend(name, fields)
  if type(name) ~= "string" then
    error("bad name of an error class (string expected, got "
      .. type(name) .. ")", 2)
  end
  local class = {}
  -- Lua looks for metamethods in the class itself only.
  for key, value in pairs(self) do
    if type(key) == "string" and key:find "^__" then class[key] = value end
  end
  class.__index = class
  class.__name = "casync." .. name
  class.name = name
  class.parent = self
  class.options = {}
  for option in pairs(self.options) do class.options[option] = true end
  for _, field in ipairs(fields or {}) do class.options[field] = true end
  local meta = getmetatable(self)
  return setmetatable(class, {
    __call = meta.__call,
    __tostring = meta.__tostring,
    __index = self,
  })
end

--- Is `value` an error of this class, or of one below it?
function Error:is(value)
  if type(value) ~= "table" then return false end
  local class = getmetatable(value)
  while type(class) == "table" do
    if class == self then return true end
    class = rawget(class, "parent")
  end
  return false
end

exceptions.Error = Error

for _, name in ipairs {
  "CancelledError", "TimeoutError", "InvalidStateError", "QueueEmpty",
  "QueueFull", "QueueShutDown", "BrokenBarrierError", "BrokenExecutor",
  "RemoteError", "DeadlockError", "GeneratorExit", "KeyboardInterrupt",
} do
  exceptions[name] = Error:extend(name)
end

exceptions.IncompleteReadError =
  Error:extend("IncompleteReadError", {"partial", "expected"})
exceptions.LimitOverrunError =
  Error:extend("LimitOverrunError", {"consumed"})
exceptions.OSError = Error:extend("OSError", {"code", "errno", "syscall"})

local ExceptionGroup = Error:extend "ExceptionGroup"

getmetatable(ExceptionGroup).__call = function(class, message, errors, opts)
  if type(message) ~= "string" then
    error(("bad message of an %s (string expected, got %s)"):format(
      class.name, type(message)), 2)
  end
  if type(errors) ~= "table" or errors[1] == nil then
    error(("bad errors of an %s (a list with at least one expected)"):format(
      class.name), 2)
  end
  local group = construct(class, message, opts)
  group.errors = table.move(errors, 1, #errors, 1, {})
  return group
end

-- The texts of a group show this many of its errors, as Python's do.
local shown = 15

local function more(errors)
  if #errors > shown then
    return ("  | ... and %d more"):format(#errors - shown)
  end
end

local function indented(text)
  return "  | " .. text:gsub("\n", "\n  | ")
end

function ExceptionGroup:__tostring()
  local n = #self.errors
  local lines = {("%s: %s (%d sub-exception%s)"):format(
    self.name, self.message, n, n == 1 and "" or "s")}
  for i = 1, math.min(n, shown) do
    lines[#lines + 1] = indented(i .. ": " .. tostring(self.errors[i]))
  end
  lines[#lines + 1] = more(self.errors)
  return table.concat(lines, "\n")
end

--- A group of the same class and message with other errors; nil for none.
local function derive(group, errors, tracebacks)
  if errors[1] == nil then return nil end
  local new = getmetatable(group)(group.message, errors, {cause = group.cause})
  new.tracebacks = tracebacks
  return new
end

--- Two groups of the same shape: with the errors for which `pred` (a function
-- or a class) holds, and with the others. nil stands for an empty one.
function ExceptionGroup:split(pred)
  local holds = pred
  if type(pred) == "table" and pred.is then
    holds = function(err) return pred:is(err) end
  elseif type(pred) ~= "function" then
    error("bad argument to 'split' (function or error class expected, got "
      .. type(pred) .. ")", 2)
  end
  if holds(self) then return self, nil end
  local yes, no = {}, {}
  local yestraces, notraces = {}, {}
  local function add(errors, traces, err, trace)
    if err == nil then return end
    errors[#errors + 1] = err
    traces[#errors] = trace
  end
  for i, err in ipairs(self.errors) do
    local trace = self.tracebacks and self.tracebacks[i]
    if ExceptionGroup:is(err) then
      local matching, rest = err:split(holds)
      add(yes, yestraces, matching, trace)
      add(no, notraces, rest, trace)
    elseif holds(err) then
      add(yes, yestraces, err, trace)
    else
      add(no, notraces, err, trace)
    end
  end
  return derive(self, yes, yestraces), derive(self, no, notraces)
end

--- The errors of the group and of the groups in it, as one list.
function ExceptionGroup:flatten()
  local list = {}
  local function collect(group)
    for _, err in ipairs(group.errors) do
      if ExceptionGroup:is(err) then
        collect(err)
      else
        list[#list + 1] = err
      end
    end
  end
  collect(self)
  return list
end

exceptions.ExceptionGroup = ExceptionGroup

core.set_errors {
  exceptions.CancelledError, exceptions.TimeoutError,
  exceptions.InvalidStateError, exceptions.QueueEmpty, exceptions.QueueFull,
  exceptions.QueueShutDown, exceptions.IncompleteReadError,
  exceptions.LimitOverrunError, exceptions.OSError, exceptions.DeadlockError,
  exceptions.GeneratorExit, exceptions.KeyboardInterrupt,
}

local passing = {
  exceptions.CancelledError, exceptions.GeneratorExit,
  exceptions.KeyboardInterrupt,
}

--- Is this an error that ends a task or a generator from outside, and that
-- code which catches errors should let pass?
function exceptions.passes(err)
  if type(err) ~= "table" then return false end
  for _, class in ipairs(passing) do
    if class:is(err) then return true end
  end
  return false
end

local passes = exceptions.passes

local function caught(ok, ...)
  if not ok and passes((...)) then error((...), 0) end
  return ok, ...
end

--- Lua's pcall, but cancellation, GeneratorExit and KeyboardInterrupt pass.
function exceptions.pcall(fn, ...)
  return caught(stockpcall(fn, ...))
end

--- Lua's xpcall, with what `pcall` lets pass. The handler sees an error where
-- it was thrown; the scopes that the error leaves see the error itself.
function exceptions.xpcall(fn, handler, ...)
  if type(handler) ~= "function" then
    error("bad argument #2 to 'xpcall' (function expected, got "
      .. type(handler) .. ")", 2)
  end
  local handled, seen, result = false, nil, nil
  local function keep(err)
    if not passes(err) then
      handled, seen, result = true, err, handler(err)
    end
    return err
  end
  local function answer(ok, ...)
    if not ok and handled and rawequal((...), seen) then
      return false, result
    end
    return ok, ...
  end
  return answer(caught(stockxpcall(fn, keep, ...)))
end

--- The text of any error value; never raises.
function exceptions.text(err)
  local ok, text = stockpcall(tostring, err)
  return ok and text or ("(a " .. type(err) .. " without text)")
end

--- An error with its traceback (and those in a group with theirs) and its
-- causes as text. `depth` is for its own calls.
function exceptions.format(err, traceback, depth)
  depth = depth or 0
  local text = exceptions.text(err)
  local traces = ExceptionGroup:is(err) and err.tracebacks
  local parts = {traces and text:match "^[^\n]*" or text}
  if type(traceback) == "string" and traceback ~= "" then
    if traceback:sub(1, #text) == text then
      traceback = traceback:sub(#text + 1):gsub("^\n", "")
    end
    parts[#parts + 1] = traceback
  end
  if traces then
    for i = 1, math.min(#err.errors, shown) do
      parts[#parts + 1] = indented(i .. ": "
        .. exceptions.format(err.errors[i], traces[i], depth))
    end
    parts[#parts + 1] = more(err.errors)
  end
  local cause = Error:is(err) and rawget(err, "cause")
  if cause ~= nil and cause ~= false and not passes(cause) then
    -- A chain may be a ring.
    parts[#parts + 1] = "caused by: " .. (depth < shown
      and exceptions.format(cause, nil, depth + 1) or "...")
  end
  return table.concat(parts, "\n")
end

return exceptions
