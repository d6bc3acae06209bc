-- mutants.lua [WORD...]: plant the bugs of spec/mutants.lua, one at a time, in
-- a copy of the tree, and see that the check named there turns red. Words
-- choose those whose names contain one of them; MUTANTS=N takes N, others
-- on another day. The last line is 'N passed, M failed'. Run in the root.
--
-- A check must be green before the bug is planted. A text to be replaced that
-- is not there exactly once is a failure too: then the table is to be brought
-- up to date.

local COPY = "build-mutants"
-- What hangs is caught: seconds for specs as they are, and under a checker.
local SECONDS, SLOWLY = 60, 240
local TRIES = 3         -- for a check to be green before
local RED = 124         -- status of 'timeout'
local KILLED = 128      -- and above: ended by a signal

local mutants = assert(loadfile "spec/mutants.lua")()

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- Run a command in the copy: its status and output.
local function run(command, seconds)
  local name = os.tmpname()
  local _, _, status = os.execute(
    ("cd %s && unset MAKEFLAGS MAKELEVEL MFLAGS && CASYNC_TIMESCALE=2 "
      .. "timeout -k 5 %d %s >%s 2>&1")
      :format(COPY, seconds, command, name))
  local output = read(name)
  os.remove(name)
  return status, output
end

-- The command line of its check, and how long that may take.
local function command(mutant, flags)
  local check = mutant.check or "spec"
  if not mutant.specs then return "make " .. check, SLOWLY end
  return ("make %s SPECS='%s' BUSTED_FLAGS='%s %s'"):format(check,
    mutant.specs, flags, mutant.filter and "--filter=" .. mutant.filter or ""),
    check == "spec" and SECONDS or SLOWLY
end

local function copy()
  assert(os.execute(("rm -rf %s && mkdir %s && tar cf - --exclude=./.git "
    .. "--exclude=./%s --exclude=./build-coverage . | tar xf - -C %s"):format(
    COPY, COPY, COPY, COPY)))
end

-- Those to be tried.
local function choose()
  local list = {}
  for _, mutant in ipairs(mutants) do
    local wanted = #arg == 0
    for _, word in ipairs(arg) do
      wanted = wanted or mutant.name:find(word, 1, true) ~= nil
    end
    if wanted then list[#list + 1] = mutant end
  end
  local n = tonumber(os.getenv "MUTANTS")
  if not n or n >= #list then return list end
  math.randomseed(os.time() // 86400)
  for i = 1, n do
    local j = math.random(i, #list)
    list[i], list[j] = list[j], list[i]
  end
  return table.move(list, 1, n, 1, {})
end

local green = {}        -- check and specs -> true, or its output when red

-- Is the check of the mutant green in the copy as it is? Specs that watch the
-- clock may fail once on a busy machine.
local function isgreen(mutant)
  local key, seconds = command(mutant, "")
  for _ = 1, green[key] and 0 or TRIES do
    local status, output = run(key, seconds)
    green[key] = status == 0 or output
    if status == 0 then break end
  end
  return green[key] == true, green[key]
end

local function count(text, what)
  local n, at = 0, 1
  while true do
    local first, last = text:find(what, at, true)
    if not first then return n end
    n, at = n + 1, last + 1
  end
end

-- Has the check found it? And how, or why not.
local function verdict(mutant, status, output)
  if status == 0 then return false, "SURVIVED" end
  if mutant.says then
    if output:find(mutant.says, 1, true) then return true, mutant.says end
    return false, "red, but not by '" .. mutant.says .. "':\n" .. output
  end
  if status == RED then return true, "it hangs" end
  if output:find "[1-9]%d* failed" then return true, "a spec fails" end
  if status > KILLED or output:find "Segmentation fault"
      or output:find "Aborted" or output:find "core dumped" then
    return true, "it crashes"
  end
  return false, "red, but no spec has failed:\n" .. output
end

-- Plant it in the copy and run its check.
local function try(mutant)
  local fine, why = isgreen(mutant)
  if not fine then return false, "its check is red without it:\n" .. why end
  local path = COPY .. "/" .. mutant.file
  local text = read(path)
  local n = count(text, mutant.find)
  if n ~= 1 then
    return false, ("its text is %d times in %s, and must be there once: "
      .. "bring spec/mutants.lua up to date"):format(n, mutant.file)
  end
  local first, last = text:find(mutant.find, 1, true)
  write(path, text:sub(1, first - 1) .. mutant.put .. text:sub(last + 1))
  local status, output = 0, ""
  if mutant.check ~= "check-warnings" then
    status, output = run("make all", SLOWLY)
  end
  local caught, how
  if status ~= 0 then
    caught, how = false, "it cannot be built:\n" .. output
  else
    caught, how = verdict(mutant, run(command(mutant, "--no-keep-going")))
  end
  write(path, text)
  return caught, how
end

copy()
local list = choose()
local passed = 0
for _, mutant in ipairs(list) do
  local begun = os.time()
  local caught, how = try(mutant)
  if caught then passed = passed + 1 end
  print(("%-8s %-62s %-14s %3d s  %s"):format(caught and "caught" or "FAILED",
    mutant.name, mutant.check or "spec", os.time() - begun, how))
  io.stdout:flush()
end
print(("\n%d passed, %d failed"):format(passed, #list - passed))
os.exit(passed == #list)
