-- Lua states in the threads of one process: the host spec/hosts/threads.c
-- counts what they hold. `make threads` runs more of them.

local process = require "spec.support.process"

local build = os.getenv "CASYNC_BUILD" or "build"
local host = process.root .. "/" .. build .. "/hosts/threads"

-- A program that was started in the background ignores SIGINT.
local undo = os.execute("env --default-signal=INT true 2>/dev/null")

local function run(...)
  local words = undo and {"env", "--default-signal=INT"} or {}
  for _, word in ipairs {host, ...} do words[#words + 1] = word end
  return words
end

describe("States in threads #programs", function()
  if not process.read_file(host) then
    return pending "the host is not built: 'make test' does it"
  end

  it("run their loops side by side, and whatever runs when they are closed, "
    .. "nothing is left", function()
    local result = process.run(run("spec/hosts/everything.lua", "6", "4"))

    process.assert_ok(result, "everything.lua")
    assert.are.equal("24 states in 6 threads, 0 failures\n", result.stdout)
  end)

  it("leave SIGINT to the loop of the main thread", function()
    local program = run("spec/hosts/interrupted.lua", "4", "1")
    program.env = {HOST_MAIN = "1"}

    local result = process.run(program)

    process.assert_ok(result, "interrupted.lua")
    assert.are.equal("the main loop was interrupted\n"
      .. "4 states in 4 threads, 0 failures\n", result.stdout)
  end)

  it("give SIGINT back when they are closed inside run", function()
    local result = process.run(run("spec/hosts/exits.lua"))

    assert.are.equal(128 + 2, result.status, result.stderr)
  end)
end)

describe("The core", function()
  -- What belongs to the process: SIGINT, and what is known of libuv's pool and
  -- of its descriptors for signals.
  local meant = {
    before = true, hooked = true, known = true, owner = true,
    registered = true, signals = true, target = true, uncaught = true,
  }
  -- What the linker and the checkers put there.
  local foreign = {"^_", "^completed%.%d+$", "^%.", "^deregister", "^gcov"}

  it("has no variables of its own but these", function()
    local pipe = io.popen(("objdump -t %s/casync/core.so 2>/dev/null"):format(
      build))
    local text = pipe:read "a"
    pipe:close()
    if not text:find "%.bss" then
      return pending "there is no objdump that reads this file"
    elseif build ~= "build" then
      return pending "checkers have variables of their own"
    end

    local found = {}
    for section, name in text:gmatch " (%.%l+)\t%x+%s+([%w_.]+)\n" do
      local strange = section == ".bss" or section == ".data"
        or section == ".tbss" or section == ".tdata"
      for _, pattern in ipairs(foreign) do
        strange = strange and not name:find(pattern)
      end
      if strange and not meant[name:gsub("%.%d+$", "")] then
        found[#found + 1] = name
      end
    end

    assert.are.same({}, found)
  end)
end)
