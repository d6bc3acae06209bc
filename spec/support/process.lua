-- Run programs from specs, with a time limit, and see what came out.

local process = {}

local SECONDS = 60
local PARALLEL = 2

--- Quote a word for sh.
function process.quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

local quote = process.quote

local function capture(command)
  local pipe = assert(io.popen(command))
  local out = pipe:read "a"
  pipe:close()
  return (out:gsub("\n$", ""))
end

--- The root of the project.
process.root = capture "pwd"

--- The interpreter that runs the specs.
process.lua = os.getenv "LUA" or process.root .. "/tools/lua54"

--- The Python that the system came with, else the one of the PATH, else nil.
function process.python()
  local found = capture(
    "for p in /usr/bin/python3 python3; do " ..
    "command -v $p >/dev/null 2>&1 && { echo $p; break; }; done")
  return found ~= "" and found or nil
end

local has_timeout = capture "command -v timeout || true" ~= ""

-- The Lua modules and the core that the specs use, with absolute paths, for
-- a program may change its directory.
local function lua_environment()
  local build = os.getenv "CASYNC_BUILD" or "build"
  local root = process.root
  return {
    LUA_PATH = ("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(root, root),
    LUA_CPATH = ("%s/%s/?.so;;"):format(root, build),
    CASYNC_DEBUG = "",
  }
end

local function read(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local scale = tonumber(os.getenv "CASYNC_TIMESCALE") or 1

-- The command line of one program; its output goes to files named after
-- 'base'.
local function command_of(program, base)
  local words = {"cd " .. quote(program.cwd or process.root) .. " && exec env"}
  for _, name in ipairs(program.unset or {}) do
    words[#words + 1] = "-u " .. name
  end
  local env = lua_environment()
  for name, value in pairs(program.env or {}) do env[name] = value end
  for name, value in pairs(env) do
    words[#words + 1] = quote(name .. "=" .. value)
  end
  if has_timeout then
    local limit = math.ceil((program.timeout or SECONDS) * scale)
    words[#words + 1] = "timeout -k 5 " .. limit
  end
  for _, word in ipairs(program) do words[#words + 1] = quote(word) end
  return ("(%s) <%s >%s.out 2>%s.err; echo $? >%s.rc"):format(
    table.concat(words, " "), quote(program.stdin or "/dev/null"),
    base, base, base)
end

--- Run some programs, two at a time, and wait for all. Each is a list of
--- words with the fields 'cwd', 'env', 'unset' (names of variables), 'stdin'
--- (a file) and 'timeout' in seconds. Gives a list of {status=, stdout=,
--- stderr=}; a program that took too long has the status 124.
function process.run_all(programs)
  local lines, bases = {"set +e"}, {}
  for i, program in ipairs(programs) do
    local base = os.tmpname()
    bases[i] = base
    lines[#lines + 1] = "{ " .. command_of(program, quote(base)) .. "; } &"
    if i % PARALLEL == 0 then lines[#lines + 1] = "wait" end
  end
  lines[#lines + 1] = "wait"
  os.execute(table.concat(lines, "\n"))
  local results = {}
  for i, base in ipairs(bases) do
    results[i] = {
      status = tonumber(read(base .. ".rc")),
      stdout = read(base .. ".out"),
      stderr = read(base .. ".err"),
    }
    for _, suffix in ipairs {"", ".out", ".err", ".rc"} do
      os.remove(base .. suffix)
    end
  end
  return results
end

--- Run one program.
function process.run(program)
  return process.run_all({program})[1]
end

--- Run a Lua script with casync at hand.
function process.run_lua(script, options)
  local program = {process.lua, script}
  for key, value in pairs(options or {}) do
    if math.type(key) == "integer" then
      program[key + 2] = value
    else
      program[key] = value
    end
  end
  return process.run(program)
end

--- Names of the files that match a shell pattern, sorted.
function process.glob(pattern)
  local names = {}
  local list = capture("for f in " .. pattern ..
                       "; do [ -e \"$f\" ] && echo \"$f\"; done; true")
  for name in list:gmatch "[^\n]+" do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- The text of a file, or nil when there is none.
function process.read_file(name)
  local file = io.open(name, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

--- Raise an error that shows what a program printed unless it ended well.
function process.assert_ok(result, name)
  if result.status == 0 then return end
  local why = result.status == 124 and "took too long" or
    "ended with status " .. tostring(result.status)
  error(("%s %s\nstdout:\n%s\nstderr:\n%s"):format(
    name, why, result.stdout, result.stderr), 0)
end

--- Raise an error that shows the first line that differs, if one does.
function process.assert_same(expected, got, name)
  if expected == got then return end
  local function lines(text)
    local list = {}
    for line in (text .. "\n"):gmatch "(.-)\n" do list[#list + 1] = line end
    return list
  end
  local e, g = lines(expected), lines(got)
  local i = 1
  while e[i] == g[i] do i = i + 1 end
  error(("%s: line %d differs\nexpected: %s\ngot:      %s\n\nall of it:\n%s")
    :format(name, i, e[i] or "(the end)", g[i] or "(the end)", got), 0)
end

return process
