-- Which lines of casync's Lua a process runs: with CASYNC_COVERAGE=FILE and
-- LUA_INIT=@tools/coverage.lua in the environment each Lua process appends
-- those of lua/casync to FILE when its state is closed. 'uncovered.lua' reads
-- it.

local hits = assert(os.getenv "CASYNC_COVERAGE")

-- The path from the root of a source of ours, or nil.
local function path_of(source)
  return source:match "^@.*(lua/casync/.*%.lua)$"
end

local counts = {}  -- path -> line -> true
-- function -> its table of lines in 'counts', or false: not ours
local known = setmetatable({}, {__mode = "k"})
local getinfo = debug.getinfo

local function linesof(fn)
  local path = path_of(getinfo(fn, "S").source)
  if not path then return false end
  counts[path] = counts[path] or {}
  return counts[path]
end

local function hook(_, line)
  local fn = getinfo(2, "f").func
  local lines = known[fn]
  if lines == nil then
    lines = linesof(fn)
    known[fn] = lines
  end
  if lines then lines[line] = true end
end

local function write()
  local file = assert(io.open(hits, "a"))
  for path, lines in pairs(counts) do
    local list = {}
    for line in pairs(lines) do list[#list + 1] = line end
    file:write(path, " ", table.concat(list, " "), "\n")
  end
  file:close()
end

-- A hook is set for one coroutine: each new one gets it too.
local create = coroutine.create
function coroutine.create(fn)
  local co = create(fn)
  debug.sethook(co, hook, "l")
  return co
end
function coroutine.wrap(fn)
  local co = coroutine.create(fn)
  local resume = coroutine.resume
  local function results(ok, ...)
    if not ok then error((...), 0) end
    return ...
  end
  return function(...) return results(resume(co, ...)) end
end
debug.sethook(hook, "l")

local exit = os.exit
function os.exit(code, close)
  if close == nil then close = true end
  return exit(code, close)
end
-- In the registry, so that it is finalised when the state is closed.
debug.getregistry().casync_coverage = setmetatable({}, {__gc = write})
