--- Variables whose value belongs to a task and is inherited by what it makes.
--
-- A context is a map from variables to values that is never changed: `set`
-- makes a new one. So inheriting it is copying a pointer. The map is held by
-- the task itself, or by a Context object (in its field 1) under which code
-- was told to run.

local core = require "casync.core"

local contextvars = {}

local unset = {}        -- stands for nil in a map

local ContextVar = {__name = "casync.ContextVar"}
ContextVar.__index = ContextVar

local Context = {__name = "casync.Context"}
Context.__index = Context

local Token = {__name = "casync.Token"}
Token.__index = Token

--- The current map (or nil), and the Context object that holds it, if any.
local function current()
  local context = core.context()
  if context ~= nil and getmetatable(context) == Context then
    return context[1], context
  end
  return context, nil
end

--- What a token is bound to: the same place sees the same values.
local function place(context)
  return context or core.current_task() or core
end

local function replace(var, value)
  local map, context = current()
  local new = {}
  for key, old in pairs(map or {}) do new[key] = old end
  new[var] = value
  if context then
    context[1] = new
    core.use_contexts()
  else
    core.set_context(new)
  end
end

--- A variable with a name (for messages) and perhaps a default.
function contextvars.ContextVar(name, default)
  if type(name) ~= "string" then
    error("bad argument #1 to 'ContextVar' (string expected, got "
      .. type(name) .. ")", 2)
  end
  return setmetatable({
    name = name,
    default = default,  -- what `get` gives while it is not set
  }, ContextVar)
end

--- Its value here: the one set last, or the default, or nil.
function ContextVar:get()
  local map = current()
  local value = map and map[self]
  if value == nil then return self.default end
  if value == unset then return nil end
  return value
end

--- Set it for this task (or callback) and what that will make. Gives a token
-- with which the old value can be brought back.
function ContextVar:set(value)
  local map, context = current()
  local token = setmetatable({
    var = self,
    old = map and map[self],    -- what the map had: nil for nothing
    place = place(context),     -- where it was set
    used = false,               -- has `reset` been called with it?
  }, Token)
  if value == nil then value = unset end
  replace(self, value)
  return token
end

--- Bring back the value from before the `set` that gave the token.
function ContextVar:reset(token)
  if getmetatable(token) ~= Token then
    error("bad argument #1 to 'reset' (a token that 'set' gave expected, got "
      .. type(token) .. ")", 2)
  end
  if token.used then error("this token has already been used once", 2) end
  if token.var ~= self then
    error("this token was made by another ContextVar", 2)
  end
  local _, context = current()
  if token.place ~= place(context) then
    error("this token was made in another context", 2)
  end
  token.used = true
  replace(self, token.old)
end

function ContextVar:__tostring()
  local default = ""
  if self.default ~= nil then
    default = " default=" .. tostring(self.default)
  end
  return ("<ContextVar name='%s'%s>"):format(self.name, default)
end

--- A Context with the values of here and now.
function contextvars.copy_context()
  return setmetatable({(current())}, Context)
end

local Restore = {__close = function(self) core.set_context(self[1]) end}

local function under(context, fn, ...)
  local _ <close> = setmetatable({core.context()}, Restore)
  core.set_context(context)
  return fn(...)
end

--- Call a function under this context; what it sets stays in the context.
function Context:run(fn, ...)
  return under(self, fn, ...)
end

--- The value of a variable in this context, or `default`.
function Context:get(var, default)
  if getmetatable(var) ~= ContextVar then
    error("bad argument #1 to 'get' (ContextVar expected, got "
      .. type(var) .. ")", 2)
  end
  local value = self[1] and self[1][var]
  if value == nil then return default end
  if value == unset then return nil end
  return value
end

--- Another Context with the same values.
function Context:copy()
  return setmetatable({self[1]}, Context)
end

function Context:__tostring()
  local n = 0
  for _ in pairs(self[1] or {}) do n = n + 1 end
  return ("<Context of %d variable%s>"):format(n, n == 1 and "" or "s")
end

local raw = core.TaskMethods.get_context

--- The Context that the task runs under.
function core.TaskMethods:get_context()
  local context = raw(self)
  if context == nil or getmetatable(context) ~= Context then
    -- From now on the task and who asks for it share one Context.
    context = setmetatable({context}, Context)
    core.set_task_context(self, context)
  end
  return context
end

--- Call a function under the context of a task or a callback, if it has one.
function contextvars.under(source, fn, ...)
  local context
  if core.istask(source) then
    context = raw(source)
  elseif getmetatable(source) == "casync.Handle" then
    context = source:get_context()
  end
  if context == nil then return fn(...) end
  return under(context, fn, ...)
end

return contextvars
