--- Run every workload beside its peers, print the tables, and keep the
-- numbers in build/bench/results.lua for report.lua and plots.lua.
--
-- Each program is a process of its own. The programs of one workload run in
-- turn (A B C D, A B C D, ...), so that a machine that grows slower meanwhile
-- is slow for all of them, and the median of each one's runs is taken.
--
--   make bench                        everything
--   make bench BENCH_QUICK=1          everything, in a minute, with less sense
--   lua5.4 bench/run.lua switch call  only these workloads; nothing is kept
--
-- Environment: BENCH_ROUNDS (runs of each program, 5), BENCH_SCALE (factor on
-- the counts, 1), BENCH_SLEEPERS (1000000), BENCH_SLEEPER_ROUNDS (1),
-- BENCH_QUICK (1: the first three are 1, 0.05 and 50000), BENCH_WALL (1: the
-- clock on the wall instead of processor time), PYTHON, NODE, GO.

local here = arg[0]:match("^(.*/)") or "./"
local report = dofile(here .. "report.lua")

-- One operation of each, in ns. A `program`, a Lua file with its arguments,
-- runs the workload as any peer: the last arguments are the peer and the count.
local WORKLOADS = {
  {name = "switch", what = "switch: await(sleep(0)), 10 tasks", count = 1000000},
  {name = "call", what = "call of an async function", count = 2000000},
  {name = "spawn_await", what = "spawn and await, one by one", count = 200000},
  {name = "spawn_gather", what = "spawn and gather 200,000", count = 200000},
  {name = "group", what = "TaskGroup of 100,000", count = 100000},
  {name = "future", what = "future set and awaited", count = 200000},
  {name = "pingpong", what = "queue ping-pong, round trip", count = 100000},
  {name = "lock", what = "contended lock, 10 tasks", count = 200000},
  {name = "timeout", what = "time-out entered and left", count = 100000},
  {name = "timers", what = "100,000 timers set and fired", count = 100000},
  {name = "cancel", what = "cancel 100,000 sleepers", count = 100000},
}

local ECHO = {
  {name = "echo_small", what = "TCP echo, 64 connections, 64 bytes", count = 100000,
    program = {"echo.lua", "small"}},
  {name = "echo_large", what = "TCP echo, messages of 1 MiB", count = 400,
    program = {"echo.lua", "large"}},
}

local NESTING = {
  {name = "nest_10", what = "10 deep", count = 1000000},
  {name = "nest_100", what = "100 deep", count = 1000000},
  {name = "nest_10000", what = "10,000 deep", count = 1000000},
}

local MEMORY = {
  {name = "mem_future", what = "pending future", count = 100000},
  {name = "mem_sleeper", what = "sleeping task", count = 100000},
  {name = "mem_lock", what = "task that waits for a lock", count = 100000},
  {name = "mem_timer", what = "timer", count = 100000},
  {name = "mem_connection", what = "idle connection, both ends", count = 400},
}

local GROWTH = {
  {name = "spawn_gather", what = "spawn and gather"},
  {name = "timers", what = "timers set and fired"},
  {name = "cancel", what = "cancel sleepers"},
}
local SIZES = {1000, 10000, 100000, 1000000}
local GROWTH_PEERS = {casync = true, asyncio = true, luv = true, go = true, node = true}
local TOO_LONG = 20  -- seconds: what would take more is left out of the growth


local function fail(...)
  io.stderr:write("bench: ", string.format(...), "\n")
  os.exit(2)
end


--- The environment variable, or nil when it is unset or empty.
local function setting(name)
  local text = os.getenv(name)
  return text ~= "" and text or nil
end


--- The environment variable as a positive number.
local function number(name, default)
  local text = setting(name)
  if not text then return default end
  local value = tonumber(text)
  if not value or not (value > 0 and value < math.huge) then
    fail("%s must be a positive number, not '%s'", name, text)
  end
  return value
end


local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end


--- The standard output of a command, or nil and how it ended.
local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  local ok, how, code = pipe:close()
  if ok then return text end
  return nil, how .. " " .. code
end


local function first_line(command)
  local text = output(command .. " 2>/dev/null")
  return text and text:match("^[^\n]+")
end


-- ---- the peers -----------------------------------------------------------

local lua = "lua5.4"
for i = -1, -20, -1 do
  if not arg[i] then break end
  lua = arg[i]
end

local build = here .. "../" .. (os.getenv("CASYNC_BUILD") or "build") .. "/bench/"
assert(os.execute("mkdir -p " .. quote(build)))


--- The Python to compare with: one with uvloop if there is a choice.
local function find_python()
  local chosen, fallback = setting("PYTHON"), nil
  for _, name in ipairs(chosen and {chosen} or {"/usr/bin/python3", "python3"}) do
    if first_line(quote(name) .. " -c 'import asyncio; print(1)'") then
      local uvloop = first_line(quote(name) .. " -c 'import uvloop; print(uvloop.__version__)'")
      if uvloop then return name, uvloop end
      fallback = fallback or name
    end
  end
  return fallback
end


local python, uvloop = find_python()
local node = setting("NODE") or "node"
local go = setting("GO") or "go"

--- The version of a Lua module, by an expression of it, or nil without it.
local function module_version(name, expression)
  return first_line(("%s -e %s"):format(quote(lua),
    quote(("local m = require '%s' print(%s)"):format(name, expression))))
end


--- Compile a program into the build folder; where it is.
local function compiled(path, command)
  local program = build .. path:match("([^/]+)%.%w+$")
  local text, how = output(command:format(quote(program), quote(path)))
  if not text then fail("%s cannot be compiled: %s", path, how) end
  return quote(program)
end

local function lua_command(path) return quote(lua) .. " " .. quote(path) end

local function python_command(path) return quote(python) .. " -B " .. quote(path) end

local function go_command(path)
  return "GOMAXPROCS=1 " .. compiled(path, "GO111MODULE=off GOFLAGS= GOPROXY=off GOCACHE="
    .. '"$(cd ' .. quote(build) .. ' && pwd)/go-cache" ' .. quote(go) .. " build -o %s %s")
end

-- A stack that is large enough for 10,000 calls within each other.
local function node_command(path)
  return quote(node) .. " --expose-gc --stack-size=3900 " .. quote(path)
end

local function named(name, version) return version and name .. " " .. version end

-- Each has a title, a file with its workloads, what makes a command of the
-- path of such a file, and a version, which is nil when it isn't installed.
-- Who has no file takes part only where a workload has a program.
local PEERS = {
  {name = "casync", title = "casync", file = "workloads.lua", command = lua_command,
    version = "casync on libuv " .. (first_line("${PKG_CONFIG:-pkg-config} --modversion libuv")
      or "of unknown version")},
  {name = "libuv", title = "libuv in C",
    version = first_line("${CC:-cc} --version")},
  {name = "bare", title = "bare Lua", file = "peers/bare.lua", command = lua_command,
    version = first_line(quote(lua) .. " -v"):match("^%S+ %S+")},
  {name = "asyncio", title = "asyncio", file = "peers/python.py", command = python_command,
    version = python and first_line(quote(python) .. " -V")},
  {name = "uvloop", title = "uvloop", file = "peers/python.py", command = python_command,
    flags = " --uvloop", version = named("uvloop", uvloop)},
  {name = "luv", title = "luv", file = "peers/luv.lua", command = lua_command,
    version = named("luv on libuv", module_version("luv", "m.version_string()"))},
  {name = "cqueues", title = "cqueues", file = "peers/cqueues.lua", command = lua_command,
    version = named("cqueues", module_version("cqueues", "m.VERSION"))},
  {name = "go", title = "Go", file = "peers/peer.go", command = go_command,
    version = named("Go", (first_line(quote(go) .. " version") or ""):match("go(%d%S*)"))},
  {name = "node", title = "Node", file = "peers/node.mjs", command = node_command,
    version = named("Node", first_line(quote(node) .. " -p process.versions.node"))},
}

local peers, titles, versions = {}, {}, {}
for _, peer in ipairs(PEERS) do
  if peer.version then
    peers[#peers + 1] = peer
    titles[peer.name] = peer.title
    versions[#versions + 1] = peer.version
  end
end


--- The command that runs a workload as this peer, or nil.
local function command(peer, workload)
  if workload.program then
    local line = lua_command(here .. workload.program[1])
    for i = 2, #workload.program do line = line .. " " .. quote(workload.program[i]) end
    return ("%s %s %%d"):format(line:gsub("%%", "%%%%"), peer.name)
  end
  local file = peer.file
  if not file then return nil end
  peer.commands = peer.commands or {}
  peer.commands[file] = peer.commands[file] or peer.command(here .. file)
  return ("%s %s %%d %%d%s"):format(peer.commands[file]:gsub("%%", "%%%%"), workload.name,
    peer.flags or "")
end


-- ---- measuring -----------------------------------------------------------

local live = os.execute("test -t 2") == true

local function say(...)
  if live then io.stderr:write("\r", string.format(...), "\27[K") end
end


--- The numbers a program printed as key=value lines.
local function measure(line)
  local text, how = output(line)
  if not text then fail("this command failed (%s): %s", how, line) end
  local values = {}
  for key, value in text:gmatch("([%w_]+)=(%-?[%d.]+)") do
    values[key] = tonumber(value)
  end
  if not next(values) then fail("this command printed no key=value line: %s", line) end
  return values
end


local function median(list)
  table.sort(list)
  local n = #list
  if n % 2 == 1 then return list[n // 2 + 1] end
  return (list[n // 2] + list[n // 2 + 1]) / 2
end


--- Run a workload as every peer that has it, in turn. Gives medians as
-- medians[key][peer]. `takes(peer)` can leave a peer out.
local function compare(workload, count, rounds, repeats, takes)
  local runs, missing = {}, {}
  for round = 1, rounds do
    for _, peer in ipairs(peers) do
      local line = not missing[peer] and (not takes or takes(peer.name))
        and command(peer, workload)
      if line then
        say("%s of %d: %s, run %d of %d", workload.name, count, peer.name, round, rounds)
        local values = measure(line:format(count, repeats or 1))
        if values.missing then
          missing[peer] = true
        else
          for key, value in pairs(values) do
            runs[key] = runs[key] or {}
            runs[key][peer.name] = runs[key][peer.name] or {}
            table.insert(runs[key][peer.name], value)
          end
        end
      end
    end
  end
  say("")
  for _, by_peer in pairs(runs) do
    for peer, list in pairs(by_peer) do by_peer[peer] = median(list) end
  end
  return runs
end


local function machine()
  local cpu
  local info <close> = io.open("/proc/cpuinfo")
  if info then cpu = info:read("a"):match("model name%s*:%s*([^\n]+)") end
  return ("%s, %s, %s cores"):format(first_line("uname -sm") or "unknown system",
    cpu or "unknown processor", first_line("getconf _NPROCESSORS_ONLN") or "?")
end


local function commit()
  local git = "git -C " .. quote(here) .. " "
  local hash = first_line(git .. "rev-parse --short HEAD")
  if hash and first_line(git .. "status --porcelain --untracked-files=no") then
    hash = hash .. " with changes"
  end
  return hash
end


-- ---- all of it -----------------------------------------------------------

local wanted
for i = 1, #arg do
  wanted = wanted or {}
  wanted[arg[i]] = true
end
local known = {million = true, nesting = true, memory = true, start = true, growth = true}
for _, list in ipairs {WORKLOADS, ECHO} do
  for _, workload in ipairs(list) do known[workload.name] = true end
end
for name in pairs(wanted or {}) do
  if not known[name] then fail("there is no workload '%s'; see bench/README.md", name) end
end

local quick = setting("BENCH_QUICK")
local rounds = math.ceil(number("BENCH_ROUNDS", quick and 1 or 5))
local scale = number("BENCH_SCALE", quick and 0.05 or 1)
local sleepers = math.floor(number("BENCH_SLEEPERS", quick and 50000 or 1000000))

local clock = setting("BENCH_WALL") and "wall" or "ns"

local results = {
  machine = machine(), commit = commit(), versions = versions, scale = scale, rounds = rounds,
  sleepers = sleepers, clock = clock == "ns" and "processor time" or "time on the wall",
  titles = titles, peers = {}, sections = {},
}
for i, peer in ipairs(peers) do results.peers[i] = peer.name end

local function wants(name) return not wanted or wanted[name] end

local function scaled(count, least)
  return math.max(least, math.floor(count * scale))
end

--- Print a section and keep it.
local function section(what)
  if #what.rows == 0 then return end
  table.insert(results.sections, what)
  io.write(report.section(results, what), "\n")
end

--- A row of a table; key tells what of the workload it is.
local function row(name, what, key, values, form)
  return {name = name, what = what, key = key, values = values or {}, form = form}
end

--- Run those of a list that are wanted, by their names or by one for all.
local function rows_of(list, least, n, name)
  local rows = {}
  for _, workload in ipairs(list) do
    if wants(name or workload.name) then
      local got = compare(workload, scaled(workload.count, least), n)
      local made = row(workload.name, workload.what, "ns", got[clock], "%.0f")
      if got.bytes then made.key, made.values = "bytes", got.bytes end
      made.wall, made.processor = got.wall, got.ns
      rows[#rows + 1] = made
    end
  end
  return rows
end

io.stdout:setvbuf("line")
io.write(report.heading(results), "\n\n")
section {title = "ns per operation", compared = true, drawn = true,
  rows = rows_of(WORKLOADS, 10, rounds)}
section {title = "ns of the server per message", compared = true, drawn = true,
  rows = rows_of(ECHO, 1, rounds)}

if wants("million") then
  local workload = {name = "million"}
  local got = compare(workload, sleepers, math.ceil(number("BENCH_SLEEPER_ROUNDS", 1)))
  local rows = {}
  for _, kind in ipairs {
    {"seconds", "seconds", "%.1f"},
    {"mb", "peak memory, MB", "%.0f"},
    {"bytes", "peak memory per task, bytes", "%.0f"},
    {"begin_gap_ms", "longest gap of a 1 ms ticker while they begin, ms", "%.0f"},
    {"gap_ms", "longest gap of it then, ms", "%.0f"},
  } do
    rows[#rows + 1] = row("million", kind[2], kind[1], got[kind[1]], kind[3])
  end
  section {title = report.thousands(sleepers) .. " tasks asleep, for 1 to 2 s", compared = true,
    rows = rows}
end

section {title = "ns per async call, nested", compared = true,
  rows = rows_of(NESTING, 10000, math.min(rounds, 3), "nesting")}
section {title = "bytes of resident memory per piece", compared = true,
  rows = rows_of(MEMORY, 200, 1, "memory")}

if wants("start") then
  -- What a process needs to start, load and end: by the shell's `times`.
  local times, memory, heap = {}, {}, nil
  local runs = scaled(20, 5)
  for _, peer in ipairs(peers) do
    local line = command(peer, {name = "start"})
    if line then
      line = line:format(1, 1)
      say("start: %s", peer.name)
      local text = output(("i=0; while [ $i -lt %d ]; do %s >/dev/null; i=$((i + 1)); done; times")
        :format(runs, line))
      local sum = 0
      for minutes, seconds in text:match("\n(.*)"):gmatch("(%d+)m([%d.]+)s") do
        sum = sum + minutes * 60 + seconds
      end
      times[peer.name] = sum / runs * 1000
      local values = measure(line)
      memory[peer.name] = values.mb
      heap = heap or values.heap_kb
    end
  end
  say("")
  section {title = "start of a program that only loads it", compared = true, rows = {
    row("start", "processor time, ms", "ms", times, "%.1f"),
    row("start", "peak memory, MB", "mb", memory, "%.1f"),
    row("start", 'Lua heap of require "casync", KB', "heap_kb", {casync = heap}, "%.0f"),
  }}
end

if wants("growth") then
  for _, workload in ipairs(GROWTH) do
    local rows, last = {}, {}
    for _, size in ipairs(SIZES) do
      if size <= math.max(10000, 1000000 * scale) then
        -- Small ones again and again, so that there is something to measure.
        local repeats = math.max(1, scaled(30000, 1000) // size)
        local got = compare(workload, size, size < 1000000 and math.min(rounds, 3) or 1, repeats,
          function(peer)
            return GROWTH_PEERS[peer] and (last[peer] or 0) * size / 1e9 < TOO_LONG
          end)
        last = got.ns
        local made = row(workload.name, "at " .. report.thousands(size), "ns", got[clock], "%.0f")
        made.size = size
        rows[#rows + 1] = made
      end
    end
    section {title = workload.what .. ", ns each", growth = workload.name, rows = rows}
  end
end

io.write(report.goals(results))

if not wanted then
  local file <close> = assert(io.open(build .. "results.lua", "w"))
  file:write("return ", report.serialize(results), "\n")
end
