-- The rockspec names every file of the tree.

local process = require "spec.support.process"

local ROCKSPEC = "rockspec/casync-scm-1.rockspec"

local function load_rockspec()
  local rockspec = {}
  assert(loadfile(ROCKSPEC, "t", rockspec))()
  return rockspec
end

local function lua_files()
  local pipe = assert(io.popen "find lua -name '*.lua'")
  local names = {}
  for line in pipe:lines() do names[#names + 1] = line end
  pipe:close()
  table.sort(names)
  return names
end

local AGAIN = ROCKSPEC .. " does not match the tree: run 'make rockspec'"

describe("the rockspec", function()
  it("lists every C source", function()
    local modules = load_rockspec().build.modules

    local sources = table.move(modules["casync.core"].sources, 1, 1000, 1, {})
    table.sort(sources)
    assert.same(process.glob "src/*.c", sources, AGAIN)
  end)

  it("lists every Lua module, under the name it is required by", function()
    local listed = {}
    for name, file in pairs(load_rockspec().build.modules) do
      if type(file) == "string" then
        local expected = file:gsub("^lua/", ""):gsub("%.lua$", "")
          :gsub("/init$", ""):gsub("/", ".")
        assert.equal(expected, name)
        listed[#listed + 1] = file
      end
    end
    table.sort(listed)

    assert.same(lua_files(), listed, AGAIN)
  end)

  it("copies folders that exist", function()
    for _, folder in ipairs(load_rockspec().build.copy_directories or {}) do
      assert(#process.glob(folder .. "/*") > 0, folder .. " is not there")
    end
  end)
end)
