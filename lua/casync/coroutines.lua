--- Coroutine objects, and Lua's coroutines with `await` inside.

local core = require "casync.core"
local options = require "casync.options"

local coroutines = {}

coroutines.async = core.async
coroutines.await = core.await
coroutines.iscoroutine = core.iscoroutine
coroutines.iscoroutinefunction = core.iscoroutinefunction

local function results(...)
  if select("#", ...) == 1 and core.islazy((...)) then
    return core.await((...))
  end
  return ...
end

--- Call a function or await an awaitable: what is meant wherever both are
-- taken. When all that the function gives is a coroutine object or an
-- operation (an async function, `casync.sleep`), that is awaited. Only in a
-- task.
function coroutines.invoke(target, ...)
  if type(target) ~= "function" then return core.await(target) end
  return results(target(...))
end

--- Raise an error at `level` unless `target` is a function or an awaitable.
-- Only a function can be given arguments.
function coroutines.checktarget(target, who, nargs, level)
  level = (level or 2) + 1
  if type(target) == "function" then return end
  if not core.isawaitable(target) then
    error(("bad argument to '%s' (function or awaitable expected, got %s)")
      :format(who, options.typename(target)), level)
  end
  if nargs > 0 then
    error(("bad argument to '%s' (only a function can be given arguments)")
      :format(who), level)
  end
end

--- Lua's `coroutine` library, with `resume` and `wrap` that let an await
-- inside pass to the loop.
coroutines.coroutine = {
  close = coroutine.close,
  create = coroutine.create,
  isyieldable = coroutine.isyieldable,
  resume = core.coroutine_resume,
  running = coroutine.running,
  status = coroutine.status,
  wrap = core.coroutine_wrap,
  yield = coroutine.yield,
}

local named = setmetatable({}, {__mode = "k"})  -- function -> name or false

--- The name by which the source code defines a function.
local function sourcename(info)
  local path = info.source:match "^@(.+)"
  local file = path and io.open(path)
  if not file then return nil end
  local n = 0
  local text
  for line in file:lines() do
    n = n + 1
    if n == info.linedefined then
      text = line
      break
    end
  end
  file:close()
  local before, after =
    (text or ""):match "^(.-)%f[%w_]function%f[^%w_](.*)"
  if not after then return nil end
  return after:match "^%s+([%w_.:]+)%s*%("
    or before:match "([%w_.]+)%s*=%s*$"
    or before:match "([%w_.]+)%s*=%s*[%w_.]*async%s*%(%s*$"
    or before:match "([%w_.]+)%s*=%s*[%w_.]*generator%s*%(%s*$"
end

local function loadedname(fn)
  for module, content in pairs(package.loaded) do
    if type(module) == "string" and type(content) == "table" then
      for name, value in pairs(content) do
        if rawequal(value, fn) and type(name) == "string" then
          return module == "_G" and name or module .. "." .. name
        end
      end
    end
  end
end

-- Functions have no names in Lua; tasks and reports show the one that is
-- found where the function is defined, or in the modules for a C function.
core.set_namer(function(fn)
  local name = named[fn]
  if name == nil then
    local info = debug.getinfo(fn, "S")
    if info.what == "Lua" then
      name = sourcename(info)
    elseif info.what == "C" then
      name = loadedname(fn)
    end
    named[fn] = name or false
  end
  return name or nil
end)

return coroutines
