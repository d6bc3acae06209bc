--- The random test: `make schedules FIRST=S SEEDS=N` runs the programs of the
-- seeds S to S + N - 1 on casync, those of even seeds on asyncio too, and
-- judges each: what the model says must hold, and the traces are the same. A
-- program that fails is made as small as it still fails, and shown.

local process = require "spec.support.process"
local program = require "spec.schedules.program"

-- Programs for one run of the interpreters: fewer where that is slow.
local BATCH = os.getenv "CASYNC_GC" and 50 or 500
local MOST = 5          -- failures after which it stops
local SECONDS = 240     -- for a batch

local build = process.root .. "/" .. (os.getenv "CASYNC_BUILD" or "build")
local preload = build .. "/schedules/clock.so"
local python = process.python()

-- What is preloaded for a checker comes first.
if os.getenv "CASYNC_PRELOAD" then
  preload = os.getenv "CASYNC_PRELOAD" .. " " .. preload
end

local function write(programs)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  for _, p in ipairs(programs) do file:write(program.encode(p), "\n") end
  assert(file:close())
  return name
end

-- Run both at a time; the texts of what they print.
local function interpret(programs, with_twin)
  local input = write(programs)
  local list = {{
    process.lua, "spec/schedules/casync.lua", input, timeout = SECONDS,
    env = {
      LD_PRELOAD = preload,
      LUA_PATH = os.getenv "LUA_PATH" .. ";" .. process.root .. "/?.lua",
    },
  }}
  if with_twin then
    list[2] = {python, "spec/schedules/asyncio.py", input, timeout = SECONDS,
               env = {PYTHONDONTWRITEBYTECODE = "1"}}
  end
  local results = process.run_all(list)
  os.remove(input)
  return results[1], results[2]
end

-- The traces in a text, each a list of lines; 'complete' when it has an end.
local function parse(text)
  local traces, trace = {}, nil
  for line in text:gmatch "[^\n]+" do
    if line:find "^begin %d" then
      trace = {}
      traces[#traces + 1] = trace
    elseif line:find "^end %d" then
      trace.complete = true
    elseif trace then
      trace[#trace + 1] = line
    end
  end
  return traces
end

local function compare(ours, theirs)
  local i = 1
  while ours[i] and ours[i] == theirs[i] do i = i + 1 end
  if ours[i] == theirs[i] then return nil end
  return {
    kind = "not as asyncio",
    text = ("line %d of the trace: asyncio has '%s', casync '%s'"):format(
      i, theirs[i] or "(its end)", ours[i] or "(its end)"),
  }
end

local function broken_rule(trace)
  for _, line in ipairs(trace) do
    local what = line:match "^violation: (.*)"
    if what then return {kind = what:gsub("[%d<].*", ""), text = what} end
  end
end

local function verdict_of(trace, twin, theirs)
  local verdict = broken_rule(trace)
  if not verdict and theirs then
    if not (twin and twin.complete) then
      process.assert_ok(theirs, "asyncio.py")
    end
    verdict = compare(trace, twin)
  end
  if not verdict then return false end
  verdict.trace, verdict.twin = trace, twin
  return verdict
end

--- For each program what is wrong with it, or false. After one that ends the
-- interpreter the rest is run by another.
local function judge(programs)
  local verdicts = {}
  local with_twin = python ~= nil and program.has_twin(programs[1])
  while #verdicts < #programs do
    local rest = table.move(programs, #verdicts + 1, #programs, 1, {})
    local ours, theirs = interpret(rest, with_twin)
    local traces = parse(ours.stdout)
    local twins = theirs and parse(theirs.stdout) or {}
    for i = 1, #rest do
      local trace = traces[i]
      if not trace or not trace.complete then
        verdicts[#verdicts + 1] = {
          kind = "ended early",
          text = ("the interpreter ended with status %d: %s"):format(
            ours.status, ours.stderr:sub(-3000)),
          trace = trace,
        }
        break
      end
      verdicts[#verdicts + 1] = verdict_of(trace, twins[i], theirs)
    end
  end
  return verdicts
end

--- The smallest program found that fails in the same way.
local function shrink(p, verdict)
  while true do
    local candidates = program.smaller(p)
    if #candidates == 0 then return p, verdict end
    local smaller
    for i, v in ipairs(judge(candidates)) do
      if v and v.kind == verdict.kind then
        smaller = {candidates[i], v}
        break
      end
    end
    if not smaller then return p, verdict end
    p, verdict = smaller[1], smaller[2]
  end
end

local function show(seed, p, verdict)
  print(("seed %d: %s"):format(seed, verdict.text))
  print "the smallest program that fails so:"
  print(program.print(p))
  print "its trace:"
  print("  " .. table.concat(verdict.trace or {}, "\n  "))
  if verdict.twin then
    print "the trace of asyncio:"
    print("  " .. table.concat(verdict.twin, "\n  "))
  end
  print(("again: make schedules FIRST=%d SEEDS=1\n"):format(seed))
end

local first, count = math.tointeger(tonumber(arg[1])), math.tointeger(tonumber(arg[2]))
assert(first and count, "usage: main.lua FIRST SEEDS")
print(("seeds %d to %d%s"):format(first, first + count - 1,
  python and "" or ", without asyncio: there is no python3"))
io.stdout:setvbuf "line"

local failures = 0

local function run(programs)
  if #programs == 0 then return end
  for i, verdict in ipairs(judge(programs)) do
    if verdict then
      failures = failures + 1
      show(programs[i][1], shrink(programs[i], verdict))
      if failures >= MOST then return end
    end
  end
end

local last = first + count - 1
for from = first, last, BATCH do
  local plain, twins = {}, {}
  for seed = from, math.min(from + BATCH - 1, last) do
    local p = program.generate(seed)
    local list = program.has_twin(p) and twins or plain
    list[#list + 1] = p
  end
  run(twins)
  if failures < MOST then run(plain) end
  if failures >= MOST then last = from + #plain + #twins - 1 break end
end
local n = last - first + 1
print(("%d programs, %d failed"):format(n, failures))
os.exit(failures == 0)
