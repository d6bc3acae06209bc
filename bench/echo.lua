--- TCP echo: casync and its peers under the same load.
--
--   lua5.4 bench/echo.lua                       all of them: two tables
--   lua5.4 bench/echo.lua small casync 200000   one run, as key=value lines
--   lua5.4 bench/echo.lua --command casync      what starts that server
--
-- The load (echo/load.c) and the servers in C and Go are compiled here, into
-- the build folder. A peer that is not installed, or has no server, prints
-- 'missing=1'.
--
-- Environment: BENCH_ROUNDS (runs of each server, 5), BENCH_SCALE (factor on
-- the counts, 1), CASYNC_BUILD (build), CC, PYTHON.

local WORKLOADS = {
  small = {what = "64 connections, 64 bytes", connections = 64, size = 64,
    count = 100000, whole = false},
  large = {what = "4 connections, 1 MiB", connections = 4, size = 1 << 20,
    count = 400, whole = true},
}

local PEERS = {"casync", "libuv", "go", "node", "asyncio", "uvloop", "luv", "cqueues"}

local here = (arg[0]:match("^(.*/)") or "./") .. "echo/"
local build = (os.getenv("CASYNC_BUILD") or "build") .. "/bench/"

local lua = "lua5.4"
for i = -1, -20, -1 do
  if not arg[i] then break end
  lua = arg[i]
end


local function fail(...)
  io.stderr:write("bench: ", string.format(...), "\n")
  os.exit(2)
end


local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end


local function setting(name, default)
  local text = os.getenv(name)
  if not text or text == "" then return default end
  return tonumber(text) or fail("%s must be a number, not '%s'", name, text)
end


local function succeeds(command)
  return os.execute(command .. " >/dev/null 2>&1") == true
end


--- The program made of a source, compiled when the source is newer.
local function compiled(source, command)
  local program = build .. source:gsub("%.", "-")
  local path = here .. source
  if not succeeds(("test %s -nt %s"):format(quote(program), quote(path))) then
    os.execute("mkdir -p " .. quote(build))
    command = command:gsub("%$([<@])", {["<"] = quote(path), ["@"] = quote(program)})
    if not os.execute(command) then fail("cannot compile %s: %s", path, command) end
  end
  return quote(program)
end


local cc = (os.getenv("CC") or "cc") .. " -std=gnu11 -O2 -o $@ "

--- The command that starts the server of each peer, or nil.
local server = {}

function server.casync()
  return quote(lua) .. " " .. quote(here .. "server.lua")
end

function server.libuv()
  return compiled("server.c", cc .. "`pkg-config --cflags libuv` $< `pkg-config --libs libuv`")
end

function server.go()
  return succeeds("command -v go") and compiled("server.go", "go build -o $@ $<")
end

function server.node()
  return succeeds("command -v node") and "node " .. quote(here .. "server.mjs")
end

local function python(needs)
  local chosen = os.getenv("PYTHON")
  for _, name in ipairs {chosen ~= "" and chosen or "/usr/bin/python3", "python3"} do
    if succeeds(("%s -c 'import %s'"):format(quote(name), needs)) then
      return quote(name) .. " -B " .. quote(here .. "server.py")
    end
  end
end

function server.asyncio()
  return python("uvloop") or python("asyncio")
end

function server.uvloop()
  local command = python("uvloop")
  return command and command .. " --uvloop"
end

local function luamodule(name)
  return succeeds(quote(lua) .. " -e 'require [[" .. name .. "]]'")
    and quote(lua) .. " " .. quote(here .. name .. ".lua")
end

function server.luv()
  return luamodule("luv")
end

function server.cqueues()
  return luamodule("cqueues")
end


--- What a run prints: ns, user_ns, wall and rps, or nil when the peer is
-- missing. Each connection has a message at least.
local function run(workload, peer, count)
  local command = server[peer] and server[peer]()
  if not command then return nil end
  count = math.max(workload.connections, count)
  local pipe = assert(io.popen(("%s %d %d %d %s%s"):format(
    compiled("load.c", cc .. "$<"), workload.connections, workload.size, count,
    command, workload.whole and " " .. workload.size or "")))
  local text = pipe:read("a")
  if not pipe:close() then fail("%s: the run has failed", peer) end
  return text
end


local function median(list)
  table.sort(list)
  local n = #list
  return (list[(n + 1) // 2] + list[n // 2 + 1]) / 2
end


--- All peers in turn, several times: the medians of each one's values.
local function compare(workload, count, rounds)
  local runs, result = {}, {}
  for _ = 1, rounds do
    for _, peer in ipairs(PEERS) do
      local text = run(workload, peer, count)
      for key, value in (text or ""):gmatch("([%w_]+)=([%d.]+)") do
        runs[peer] = runs[peer] or {}
        runs[peer][key] = runs[peer][key] or {}
        table.insert(runs[peer][key], tonumber(value))
      end
    end
  end
  for peer, values in pairs(runs) do
    result[peer] = {}
    for key, list in pairs(values) do result[peer][key] = median(list) end
  end
  return result
end


local function named(name)
  return WORKLOADS[name or ""] or fail("there is no echo '%s'; small or large", name)
end


local ROW = "%-26s %9s %14s %16s"

local function table_of(name, rounds)
  local workload = named(name)
  local count = math.floor(workload.count * setting("BENCH_SCALE", 1))
  local got = compare(workload, count, rounds)
  print(ROW:format("echo: " .. workload.what, "", "processor, us", "round trips/s"))
  local ours = got.casync
  for _, peer in ipairs(PEERS) do
    local values = got[peer]
    if values then
      print(ROW:format("", peer, ("%.1f (%.2f)"):format(values.ns / 1000, values.ns / ours.ns),
        ("%.0f (%.2f)"):format(values.rps, values.rps / ours.rps)))
    else
      print(ROW:format("", peer, "-", "-"))
    end
  end
end


if arg[1] == "--command" then
  local start = server[arg[2] or ""] or fail("there is no peer '%s'", arg[2])
  print(start() or "missing=1")
elseif arg[2] then
  local workload = named(arg[1])
  io.write(run(workload, arg[2], tonumber(arg[3]) or workload.count) or "missing=1\n")
else
  local rounds = math.ceil(setting("BENCH_ROUNDS", 5))
  for _, name in ipairs(arg[1] and {arg[1]} or {"small", "large"}) do table_of(name, rounds) end
end
