-- The first loop of a process without descriptors: libuv aborted it.

local process = require "spec.support.process"

local script = [[
require "casync"
local core = require "casync.core"
local files = {}
for i = 1, 100 do files[i] = io.open("/dev/null") end
local ok, loop
repeat
  ok, loop = pcall(core.new_event_loop)
  if not ok then
    assert(tostring(loop):find "EMFILE", loop)
    table.remove(files):close()
  end
until ok
io.write "made"
]]

describe("the first loop of a process", function()
  it("is refused politely without descriptors #programs", function()
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write(script)
    file:close()
    local pipe = assert(io.popen(("ulimit -n 40; %s %s 2>&1"):format(
      process.lua, name)))
    local output = pipe:read "a"
    pipe:close()
    os.remove(name)

    assert.equal("made", output)
  end)
end)
