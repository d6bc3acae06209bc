--- Run every workload beside its peers and print one table.
--
-- Each program is a process of its own. The programs of one workload run in
-- turn (A B C D, A B C D, ...), so that a machine that grows slower meanwhile
-- is slow for all of them, and the median of each one's runs is printed.
--
--   make bench                        everything
--   lua5.4 bench/run.lua switch call  only these workloads
--
-- Environment: BENCH_ROUNDS (runs of each program, 5), BENCH_SCALE (factor on
-- the counts, 1), BENCH_SLEEPERS (1000000), BENCH_SLEEPER_ROUNDS (1), PYTHON.

local WORKLOADS = {
  {name = "switch", what = "await(sleep(0)), 10 tasks", count = 2000000,
    goal = "<= 1.7 x bare, >= 5 x faster than asyncio"},
  {name = "spawn_gather", what = "tasks made, then gathered",
    count = 200000, goal = "<= 1640 ns where bare resume+yield is 105"},
  {name = "spawn_await", what = "task made, awaited, one by one",
    count = 500000, goal = "<= 2.5 x bare, >= 8 x faster than asyncio"},
  {name = "call", what = "await(f()), no task", count = 3000000,
    goal = "about 125 ns where bare resume+yield is 105"},
  {name = "pingpong", what = "queue ping-pong, round trip", count = 200000,
    goal = "<= 900 ns where bare resume+yield is 105"},
}

local PEERS = {"casync", "bare", "asyncio", "uvloop"}


local function fail(...)
  io.stderr:write("bench: ", string.format(...), "\n")
  os.exit(2)
end


--- The environment variable as a positive number.
local function setting(name, default)
  local text = os.getenv(name)
  if not text or text == "" then return default end
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


local lua = "lua5.4"
for i = -1, -20, -1 do
  if not arg[i] then break end
  lua = arg[i]
end
local here = arg[0]:match("^(.*/)") or "./"


--- The Python to compare with: one with uvloop if there is a choice.
local function find_python()
  local candidates = {"/usr/bin/python3", "python3"}
  local chosen = os.getenv("PYTHON")
  if chosen and chosen ~= "" then candidates = {chosen} end
  local fallback
  for _, name in ipairs(candidates) do
    if first_line(quote(name) .. " -c 'import asyncio; print(1)'") then
      if first_line(quote(name) .. " -c 'import uvloop; print(1)'") then
        return name, true
      end
      fallback = fallback or name
    end
  end
  return fallback, false
end


local python, has_uvloop = find_python()
local live = os.execute("test -t 2") == true


--- The command that runs a workload as one of the peers, or nil.
local function command(peer, name, count)
  if peer == "casync" then
    return ("%s %s %d"):format(quote(lua), quote(here .. name .. ".lua"), count)
  elseif peer == "bare" then
    return ("%s %s %d"):format(quote(lua), quote(here .. "peers/" .. name .. ".lua"), count)
  elseif python and (peer == "asyncio" or has_uvloop) then
    return ("%s -B %s %d%s"):format(quote(python), quote(here .. "peers/" .. name .. ".py"),
      count, peer == "uvloop" and " --uvloop" or "")
  end
end


--- The numbers a program printed as key=value lines.
local function measure(line)
  local text, how = output(line)
  if not text then fail("this command failed (%s): %s", how, line) end
  local values = {}
  for key, value in text:gmatch("([%w_]+)=([%d.]+)") do
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


--- Run a workload as every peer, in turn; a table of medians for each peer.
local function compare(name, count, rounds)
  local runs = {}
  for round = 1, rounds do
    for _, peer in ipairs(PEERS) do
      local line = command(peer, name, count)
      if line then
        if live then
          io.stderr:write(("\r%s: %s, run %d of %d\27[K"):format(name, peer, round, rounds))
        end
        runs[peer] = runs[peer] or {}
        for key, value in pairs(measure(line)) do
          runs[peer][key] = runs[peer][key] or {}
          table.insert(runs[peer][key], value)
        end
      end
    end
  end
  if live then io.stderr:write("\r\27[K") end
  local medians = {}
  for peer, keys in pairs(runs) do
    medians[peer] = {}
    for key, list in pairs(keys) do medians[peer][key] = median(list) end
  end
  return medians
end


local function number(value, form)
  return value and form:format(value) or "-"
end


--- "value (ratio to casync)": above 1 means that casync is that much faster.
local function beside(value, ours, form)
  if not value then return "-" end
  return (form .. " (%.2f)"):format(value, value / ours)
end


local function machine()
  local cpu
  local info <close> = io.open("/proc/cpuinfo")
  if info then cpu = info:read("a"):match("model name%s*:%s*([^\n]+)") end
  return ("%s, %s, %s cores"):format(first_line("uname -sm") or "unknown system",
    cpu or "unknown processor", first_line("getconf _NPROCESSORS_ONLN") or "?")
end


local wanted
for i = 1, #arg do
  wanted = wanted or {}
  wanted[arg[i]] = true
end
local known = {million = true}
for _, workload in ipairs(WORKLOADS) do known[workload.name] = true end
for name in pairs(wanted or {}) do
  if not known[name] then fail("there is no workload '%s'; see bench/README.md", name) end
end

local rounds = math.ceil(setting("BENCH_ROUNDS", 5))
local scale = setting("BENCH_SCALE", 1)

io.stdout:setvbuf("line")
print(machine())
print(("%s; %s; uvloop %s; median of %d runs, processor time"):format(
  first_line(quote(lua) .. " -v") or lua,
  python and first_line(quote(python) .. " -V") or "no Python",
  has_uvloop and first_line(quote(python) .. " -c 'import uvloop; print(uvloop.__version__)'")
    or "not importable",
  rounds))
print()
local ROW = "%-31s %9s %17s %17s %17s   %s"
print(ROW:format("ns per operation (x casync)", "casync", "bare Lua", "asyncio", "uvloop", "goal"))
for _, workload in ipairs(WORKLOADS) do
  if not wanted or wanted[workload.name] then
    local count = math.max(10, math.floor(workload.count * scale))
    local got = compare(workload.name, count, rounds)
    local ns = {}
    for peer, values in pairs(got) do ns[peer] = values.ns end
    print(ROW:format(workload.what, number(ns.casync, "%.0f"),
      beside(ns.bare, ns.casync, "%.0f"), beside(ns.asyncio, ns.casync, "%.0f"),
      beside(ns.uvloop, ns.casync, "%.0f"), workload.goal))
  end
end

if not wanted or wanted.million then
  local sleepers = math.floor(setting("BENCH_SLEEPERS", 1000000))
  local got = compare("million", sleepers, math.ceil(setting("BENCH_SLEEPER_ROUNDS", 1)))
  local our = got.casync
  local function row(what, key, form, goal)
    local cells = {}
    for _, peer in ipairs {"bare", "asyncio", "uvloop"} do
      local value = got[peer] and got[peer][key]
      local ratio = value and our[key] and our[key] > 0
      cells[peer] = ratio and beside(value, our[key], form) or number(value, form)
    end
    print(ROW:format(what, number(our[key], form), cells.bare, cells.asyncio, cells.uvloop, goal))
  end
  print()
  print(ROW:format(("%d tasks asleep, 1 to 2 s"):format(sleepers),
    "casync", "bare Lua", "asyncio", "uvloop", "goal, for a million"))
  row("  seconds (bare: no sleep)", "seconds", "%.1f", "<= 4 s")
  row("  peak memory, MB", "mb", "%.0f", "<= 1500 MB")
  row("  longest gap of a ticker, ms", "gap_ms", "%.0f", "-")
end
