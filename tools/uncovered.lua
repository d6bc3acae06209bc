-- uncovered.lua C.XML LUA.HITS: what the specs reach, from the counts of gcovr
-- (in Cobertura's format) and of coverage.lua. Run in the root of the project.
--
-- It fails when less than 95 % of the lines of C or of Lua are reached, or
-- when a line is not reached and spec/uncovered.lua gives no reason for it.
-- A reason is given for a place: a file, a function of it, and how a line of
-- that begins. It stands for the lines from there to the next one that is
-- reached. So it survives what is changed elsewhere.

local ENOUGH = 95

local excused = assert(loadfile "spec/uncovered.lua")()

-- A file: its 'lines' (number -> true when reached, false when not) and of
-- C the numbers of 'branches' and of those 'taken'.
local function newfile()
  return {lines = {}, branches = 0, taken = 0}
end

local function read_c(name)
  local files, file = {}, newfile()
  for line in io.lines(name) do
    local path = line:match '<class .-filename="([^"]+)"'
    if path then
      file = newfile()
      files[path] = file
    end
    local number, hits = line:match '<line number="(%d+)" hits="(%d+)"'
    if number then
      file.lines[tonumber(number)] = hits ~= "0"
      local taken, all = line:match 'condition%-coverage="%d+%% %((%d+)/(%d+)%)"'
      if taken then
        file.branches = file.branches + all
        file.taken = file.taken + taken
      end
    end
  end
  return files
end

local function read_hits(name)
  local reached = {}
  for line in io.lines(name) do
    local path, numbers = line:match "^(%S+) (.*)$"
    if path then
      local lines = reached[path] or {}
      reached[path] = lines
      for number in numbers:gmatch "%d+" do lines[tonumber(number)] = true end
    end
  end
  return reached
end

local function find_luac()
  for _, name in ipairs {"luac5.4", "luac54", "luac-5.4", "luac"} do
    if os.execute("command -v " .. name .. " >/dev/null") then return name end
  end
  error("the compiler luac of Lua 5.4 was not found", 0)
end

-- Each line of lua/ that can be run, from the listing of luac.
local function read_lua(name)
  local luac, reached, files = find_luac(), read_hits(name), {}
  local found = assert(io.popen "find lua -name '*.lua'")
  for path in found:lines() do
    local file = newfile()
    files[path] = file
    local listing = assert(io.popen(luac .. " -l -l -p " .. path))
    for line in listing:lines() do
      local number, op = line:match "^%s+%d+%s+%[(%d+)%]%s+(%u%w*)"
      -- The end of a function returns even if nobody comes there.
      if number and op ~= "RETURN0" and op ~= "RETURN" and op ~= "VARARGPREP" then
        number = tonumber(number)
        file.lines[number] = reached[path] ~= nil and reached[path][number] == true
      end
    end
    listing:close()
  end
  found:close()
  return files
end

-- The text of each line without its indentation, and the function it is in.
local function read_source(path)
  local texts, functions, current = {}, {}, ""
  local header = path:find "%.lua$"
    and "^%s*l?o?c?a?l?%s*function ([%w_.:]+)" or "^[%a].-([%w_]+) %("
  for line in io.lines(path) do
    current = line:match(header) or current
    texts[#texts + 1] = line:match "^%s*(.*)$"
    functions[#functions + 1] = current
  end
  return texts, functions
end

-- In C a call that never returns (luaL_error) and goes over two lines counts
-- at the second one only: then the first one is reached, too.
local function mend(file, texts)
  for number, reached in pairs(file.lines) do
    if not reached and file.lines[number + 1]
        and not texts[number]:gsub("%s*/%*.*$", ""):find "[;{}]$" then
      file.lines[number] = true
    end
  end
end

-- Lists of lines of the file that are not reached, one after the other, each
-- in one function.
local function holes(file, functions)
  local numbers, found, hole = {}, {}, nil
  for number in pairs(file.lines) do numbers[#numbers + 1] = number end
  table.sort(numbers)
  for _, number in ipairs(numbers) do
    if file.lines[number] then
      hole = nil
    elseif hole and functions[hole[1]] == functions[number] then
      hole[#hole + 1] = number
    else
      hole = {number}
      found[#found + 1] = hole
    end
  end
  return found
end

local function begins(text, start) return text:sub(1, #start) == start end

-- path -> list of {function, beginning, used}
local function read_excuses()
  local excuses = {}
  for _, reason in ipairs(excused) do
    for i = 2, #reason do
      local path, fn, start = table.unpack(reason[i])
      excuses[path] = excuses[path] or {}
      table.insert(excuses[path], {fn = fn, start = start})
    end
  end
  return excuses
end

local excuses = read_excuses()

-- Is there a place for the line?
local function excuse(path, fn, text)
  for _, place in ipairs(excuses[path] or {}) do
    if place.fn == fn and begins(text, place.start) then
      place.used = true
      return true
    end
  end
  return false
end

-- The lines of the holes that have no reason; all after one that has one
-- share it.
local function unexcused(path, file, texts, functions)
  local list = {}
  for _, hole in ipairs(holes(file, functions)) do
    local fine = false
    for _, number in ipairs(hole) do
      fine = excuse(path, functions[number], texts[number]) or fine
      if not fine then
        list[#list + 1] = ("%s:%d: %s: %s"):format(path, number,
          functions[number], texts[number])
      end
    end
  end
  return list
end

-- The places of a file that are not in it any more, and those reached now.
local function stale(path, texts, functions, gone, idle)
  for _, place in ipairs(excuses[path] or {}) do
    local there = false
    for i, text in ipairs(texts) do
      there = there or functions[i] == place.fn and begins(text, place.start)
    end
    local name = ("%s: %s: %s"):format(path, place.fn, place.start)
    if not there then gone[#gone + 1] = name
    elseif not place.used then idle[#idle + 1] = name end
  end
  excuses[path] = nil
end

local function percent(n, all) return all == 0 and 100 or n * 100 / all end

local function show(name, reached, lines, taken, branches)
  local text = ("%-32s %5d/%-5d %5.1f %%"):format(
    name, reached, lines, percent(reached, lines))
  if branches > 0 then
    text = text .. ("  branches %5d/%-5d %5.1f %%"):format(
      taken, branches, percent(taken, branches))
  end
  print(text)
end

local bare, gone, idle, problems = {}, {}, {}, {}

-- Print a line for each file, and the sum; how much of the lines is reached.
local function report(title, files)
  local paths = {}
  for path in pairs(files) do paths[#paths + 1] = path end
  table.sort(paths)
  local reached, lines, taken, branches = 0, 0, 0, 0
  for _, path in ipairs(paths) do
    local file, all, seen = files[path], 0, 0
    local texts, functions = read_source(path)
    if path:find "%.c$" then mend(file, texts) end
    for _, hit in pairs(file.lines) do
      all = all + 1
      if hit then seen = seen + 1 end
    end
    show(path, seen, all, file.taken, file.branches)
    reached, lines = reached + seen, lines + all
    taken, branches = taken + file.taken, branches + file.branches
    for _, line in ipairs(unexcused(path, file, texts, functions)) do
      bare[#bare + 1] = line
    end
    stale(path, texts, functions, gone, idle)
  end
  show(title, reached, lines, taken, branches)
  print()
  if percent(reached, lines) < ENOUGH then
    problems[#problems + 1] = ("less than %d %% of the lines: %s"):format(
      ENOUGH, title)
  end
end

local function list(title, lines)
  if #lines > 0 then
    print(title .. ":\n  " .. table.concat(lines, "\n  ") .. "\n")
  end
end

if #arg ~= 2 then error("usage: uncovered.lua C.XML LUA.HITS", 0) end
report("all C", read_c(arg[1]))
report("all Lua", read_lua(arg[2]))
for path in pairs(excuses) do gone[#gone + 1] = path end

list("reached, though spec/uncovered.lua says why not", idle)
list("not reached, and no reason in spec/uncovered.lua", bare)
list("in spec/uncovered.lua, but not in the source", gone)
list("problems", problems)
os.exit(#bare + #gone + #problems == 0, true)
