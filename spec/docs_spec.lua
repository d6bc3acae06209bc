-- Every block of Lua in the README and the documents runs as it stands, and
-- prints what the block after it says, if there is one.

local blocks = require "spec.support.blocks"
local process = require "spec.support.process"

-- Runs in a folder of its own, so that a block may write files; the lines
-- before the code make the line numbers of errors those of the document.
local function run(code, line)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. process.quote(folder)))
  local script = folder .. "/block.lua"
  local file = assert(io.open(script, "wb"))
  file:write(("\n"):rep(line - 1), code)
  file:close()
  local result = process.run_lua(script, {cwd = folder, timeout = 20})
  os.execute("rm -rf " .. process.quote(folder))
  return result
end

for _, name in ipairs(process.glob "README.md docs/*.md src/README.md") do
  describe(name .. " #programs", function()
    for _, block in ipairs(blocks.find(process.read_file(name))) do
      it("is right at line " .. block.line, function()
        local result = run(block.code, block.line)

        local place = name .. ":" .. block.line
        process.assert_ok(result, place)
        if block.output then
          process.assert_same(block.output, result.stdout, place)
        end
      end)
    end
  end)
end

describe("blocks.find", function()
  it("finds code, its line and the output after it", function()
    local found = blocks.find(
      "a\n```lua\nprint(1)\n```\n\n```\n1\n```\n" ..
      "```lua\nx()\n```\nb\n```\n2\n```\n")

    assert.same({
      {code = "print(1)\n", line = 3, output = "1\n"},
      {code = "x()\n", line = 10},
    }, found)
  end)

  it("refuses a block without end", function()
    assert.has_error(function() blocks.find "```lua\nx()\n" end,
                     "the block of code at line 2 does not end")
  end)
end)
