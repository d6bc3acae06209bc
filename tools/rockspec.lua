-- Write the rockspec with the lists of C sources and Lua modules that are in
-- the tree: lua5.4 tools/rockspec.lua rockspec/casync-scm-1.rockspec

local TEMPLATE = [[
-- The lists below are written by 'make rockspec'.
rockspec_format = "3.0"
package = "casync"
version = "scm-1"

source = {
  url = "git+https://example.org/casync/casync.git",
  branch = "main",
}

description = {
  summary = "asyncio for Lua 5.4, in C on libuv",
  detailed = "Tasks, futures, time-outs, task groups, locks, queues and " ..
    "streams with the names and the semantics of Python's asyncio.",
  license = "MIT",
  labels = {"async", "asyncio", "coroutine", "libuv"},
}

supported_platforms = {"unix"}

dependencies = {"lua >= 5.4"}

external_dependencies = {
  LIBUV = {header = "uv.h", library = "uv"},
}

test_dependencies = {"busted >= 2.1"}

test = {type = "busted"}

build = {
  type = "builtin",
  modules = {
    ["casync.core"] = {
      sources = {
@SOURCES@
      },
      libraries = {"uv"},
      incdirs = {"$(LIBUV_INCDIR)"},
      libdirs = {"$(LIBUV_LIBDIR)"},
    },
@MODULES@
  },
@COPY@}
]]

local function list(command)
  local pipe = assert(io.popen(command))
  local names = {}
  for line in pipe:lines() do names[#names + 1] = line end
  pipe:close()
  table.sort(names)
  return names
end

local sources, modules = {}, {}
for i, name in ipairs(list "ls src/*.c") do
  sources[i] = ('        "%s",'):format(name)
end
for i, path in ipairs(list "find lua -name '*.lua'") do
  local name = path:match "^lua/(.*)%.lua$":gsub("/init$", ""):gsub("/", ".")
  modules[i] = ('    ["%s"] = "%s",'):format(name, path)
end

local copied = {}
for _, folder in ipairs {"include", "types"} do
  if #list("ls " .. folder .. " 2>/dev/null") > 0 then
    copied[#copied + 1] = ('"%s"'):format(folder)
  end
end

local text = TEMPLATE
  :gsub("@SOURCES@", table.concat(sources, "\n"))
  :gsub("@MODULES@", table.concat(modules, "\n"))
  :gsub("@COPY@", #copied == 0 and "" or
    "  copy_directories = {" .. table.concat(copied, ", ") .. "},\n")

local name = arg[1] or error("usage: rockspec.lua FILE")
local file = assert(io.open(name, "wb"))
file:write(text)
file:close()
