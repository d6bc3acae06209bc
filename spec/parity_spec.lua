-- A program for asyncio and its twin for casync print the same: for each
-- spec/parity/NAME.py there is a NAME.lua.

local process = require "spec.support.process"

describe("parity with asyncio #programs", function()
  local python = process.python()

  for _, script in ipairs(process.glob "spec/parity/*.py") do
    it(script:match "([^/]+)%.py$", function()
      if not python then return pending "there is no python3" end
      local twin = script:gsub("%.py$", ".lua")

      -- What is preloaded for a checker of casync is not meant for Python.
      local ours, theirs = table.unpack(process.run_all {
        {process.lua, twin},
        {python, script, env = {PYTHONDONTWRITEBYTECODE = "1"},
         unset = {"LD_PRELOAD"}},
      })

      process.assert_ok(theirs, script)
      process.assert_ok(ours, twin)
      process.assert_same(theirs.stdout, ours.stdout, twin)
    end)
  end

  it("has a Python twin for each Lua program", function()
    for _, script in ipairs(process.glob "spec/parity/*.lua") do
      local twin = script:gsub("%.lua$", ".py")
      assert(process.read_file(twin), script .. " has no " .. twin)
    end
  end)
end)
