-- Which lines of casync's Lua were run.
--
-- With CASYNC_COVERAGE=FILE in the environment and LUA_INIT=@coverage.lua
-- each Lua process counts the lines of lua/casync that it runs, and appends
-- them to FILE when its state is closed. As a program, 'coverage.lua FILE'
-- prints the sum. Both are run in the root of the project.

local hits = os.getenv "CASYNC_COVERAGE"

-- The path from the root of a source of ours, or nil.
local function path_of(source)
  return source:match "^@.*(lua/casync/.*%.lua)$"
end

local function count()
  local names = {}   -- source -> path, or false
  local counts = {}  -- path -> line -> true

  local function hook(_, line)
    local source = debug.getinfo(2, "S").source
    local path = names[source]
    if path == nil then
      path = path_of(source) or false
      names[source] = path
    end
    if not path then return end
    local lines = counts[path]
    if not lines then
      lines = {}
      counts[path] = lines
    end
    lines[line] = true
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
end

local function read(name)
  local counts = {}
  for line in io.lines(name) do
    local path, numbers = line:match "^(%S+) (.*)$"
    if path then
      local lines = counts[path] or {}
      counts[path] = lines
      for number in numbers:gmatch "%d+" do lines[tonumber(number)] = true end
    end
  end
  return counts
end

-- The lines of a file that can be run, from the listing of luac.
local function executable(luac, path)
  local lines = {}
  local pipe = assert(io.popen(luac .. " -l -l -p " .. path))
  for line in pipe:lines() do
    local number, op = line:match "^%s+%d+%s+%[(%d+)%]%s+(%u%w*)"
    -- The end of a function returns even if nobody comes there.
    if number and op ~= "RETURN0" and op ~= "RETURN" and op ~= "VARARGPREP" then
      lines[tonumber(number)] = true
    end
  end
  pipe:close()
  return lines
end

local function ranges(list)
  local parts, i = {}, 1
  while i <= #list do
    local j = i
    while list[j + 1] == list[j] + 1 do j = j + 1 end
    parts[#parts + 1] = i == j and tostring(list[i]) or list[i] .. "-" .. list[j]
    i = j + 1
  end
  return table.concat(parts, ",")
end

local function report(name)
  local luac
  for _, candidate in ipairs {"luac5.4", "luac54", "luac-5.4", "luac"} do
    if os.execute("command -v " .. candidate .. " >/dev/null") then
      luac = candidate
      break
    end
  end
  if not luac then error("the compiler luac of Lua 5.4 was not found", 0) end
  local counts = read(name)
  local total, reached = 0, 0
  local pipe = assert(io.popen "find lua -name '*.lua' | sort")
  for path in pipe:lines() do
    local seen, all, missing = counts[path] or {}, 0, {}
    for line in pairs(executable(luac, path)) do
      all = all + 1
      if not seen[line] then missing[#missing + 1] = line end
    end
    table.sort(missing)
    total, reached = total + all, reached + all - #missing
    print(("%-36s %5d/%-5d %5.1f%%  %s"):format(
      path, all - #missing, all, all == 0 and 100 or (all - #missing) * 100 / all,
      #missing > 0 and "missing: " .. ranges(missing) or ""))
  end
  pipe:close()
  print(("%-36s %5d/%-5d %5.1f%%"):format(
    "all Lua", reached, total, total == 0 and 100 or reached * 100 / total))
end

-- In LUA_INIT '...' is empty and no script has been named for this file.
if hits and not (arg and arg[0] and arg[0]:find "tools/coverage%.lua$") then
  count()
elseif arg and arg[1] then
  report(arg[1])
else
  error("usage: coverage.lua FILE", 0)
end
