-- A coroutine that Lua had got hold of unseen, by a 'coroutine.running' from
-- before casync was loaded, and had closed when its task was over, was given
-- to the next task, which failed.

local process = require "spec.support.process"

local script = [[
local running = coroutine.running
local touches = {coroutine.close, coroutine.resume}
local casync = require "casync"
local await = casync.await

casync.run(function()
  for _, touch in ipairs(touches) do
    local co
    await(casync.create_task(function() co = running() end))
    touch(co)
    for i = 1, 3 do
      assert(await(casync.create_task(function() return i end)) == i)
    end
  end
end)
]]

describe("a coroutine that is idle", function()
  it("is not used again when Lua has touched it #programs", function()
    process.assert_ok(process.run {process.lua, "-e", script}, "the script")
  end)
end)
