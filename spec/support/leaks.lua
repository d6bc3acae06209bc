-- Does running a spec file again leave anything? Each file is run three
-- times to warm up and three times more, and after each time these are
-- counted: bytes of Lua, blocks of malloc, descriptors, threads. They must
-- stay the same. 'make leaks' runs it; see docs/reliability.md.
--
--   lua spec/support/leaks.lua FILE...
--
-- CASYNC_LEAKS=name runs only the specs whose names contain it, and
-- CASYNC_LEAKS_EACH=1 counts for each spec and not for each file.

local casync = require "casync"
local counts = require "counts"
local specs = require "spec.support.specs"
require "spec.helper"

local WARMUP, ROUNDS, TRIES = 3, 3, 3
local KINDS = {"Lua bytes", "blocks", "descriptors", "threads"}
-- How many casync keeps: CA_POOLSIZE.
local POOL = 1000
-- Collections until nothing is freed any more: each halves what is too much
-- in the stack of a coroutine.
local COLLECTIONS = 12

local only = os.getenv "CASYNC_LEAKS" or ""

-- Finished coroutines are kept for new tasks, and how large their stacks are
-- depends on who used them last. One that Lua has seen is not kept.
local function emptypool()
  casync.run(function()
    local tasks = {}
    for i = 1, POOL do
      tasks[i] = casync.create_task(function()
        casync.await(casync.sleep(0))
        coroutine.running()
      end)
    end
    casync.await(casync.wait(tasks))
    coroutine.running()
  end)
end

-- Finalizers may free what only the next collection finds.
local function collect()
  for _ = 1, COLLECTIONS do collectgarbage() end
end

-- Into a table that exists, so that the measuring is not measured.
local function measure(into)
  collect()             -- so that none comes within the next step
  emptypool()
  collect()
  into[1] = collectgarbage "count" * 1024
  into[2], into[3], into[4] = counts()
end

-- Run it, and see what has grown: a line for each kind that has.
local function grown(run)
  local measured = {}
  for i = 0, ROUNDS do measured[i] = {0, 0, 0, 0} end
  for _ = 1, WARMUP do
    run()
    measure(measured[0])
  end
  for i = 1, ROUNDS do
    run()
    measure(measured[i])
  end
  local lines = {}
  for k, kind in ipairs(KINDS) do
    local deltas, isflat, fell = {}, true, false
    for i = 1, ROUNDS do
      local delta = measured[i][k] - measured[i - 1][k]
      deltas[i] = ("%+d"):format(delta)
      isflat = isflat and delta == 0
      fell = fell or delta < 0
    end
    -- Memory that comes back swings, it does not grow.
    if not isflat and not (fell and k <= 2) then
      lines[#lines + 1] = ("%s [%s]"):format(kind, table.concat(deltas, ", "))
    end
  end
  return lines
end

-- A table whose keys are objects is larger or smaller as their addresses
-- happen to collide; so what is not flat is tried again. A leak is there
-- each time.
local function flat(what, run)
  local lines
  for _ = 1, TRIES do
    lines = grown(run)
    if #lines == 0 then return true end
  end
  print(what .. ": " .. table.concat(lines, ", "))
  return false
end

local passed, failed, ran = 0, 0, 0

local function selected(name)
  return specs.inprocess(name) and name:find(only, 1, true)
end

local function tell(ok)
  if ok then passed = passed + 1 else failed = failed + 1 end
end

local function runfile(file)
  specs.visit(file, function(name, run)
    if not selected(name) then return end
    ran = ran + 1
    local ok, err = pcall(run)
    if not ok then
      failed = failed + 1
      print(("%s: %s failed: %s"):format(file, name, tostring(err)))
    end
  end)
end

for _, file in ipairs(arg) do
  if os.getenv "CASYNC_LEAKS_EACH" then
    specs.visit(file, function(name, run)
      if selected(name) then tell(flat(file .. ": " .. name, run)) end
    end)
  else
    local before = ran
    local ok = flat(file, function() runfile(file) end)
    if ran > before then tell(ok) end
  end
end

print(("%d specs run"):format(ran))
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
