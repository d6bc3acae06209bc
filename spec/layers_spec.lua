-- Arrows go down only. This reads the lines that include and require.
--
--   core.c → operations → kernel → list
--   init → all Lua modules → casync.core

local process = require "spec.support.process"

-- The kernel from the bottom up. A file may include what is on its own level
-- or below.
local KERNEL = {
  list = 1,
  core = 2,
  error = 3, loop = 3, timer = 3, pool = 3, reserve = 3,
  future = 4, link = 4,
  task = 5, spawn = 5, cancel = 5, taskinfo = 5, watch = 5, roster = 5,
  handle = 5, awaitable = 5, scope = 5, coro = 5, await = 5,
  combine = 5, interrupt = 5, operations = 5,
}

-- Arrows that go up, each for a reason.
local UPWARD = {
  -- The methods that Task and the future of a gather share with Future
  -- (cancel, result) branch on the kind; its callbacks are Handles.
  ["future.c"] = {task = true, combine = true, handle = true},
}

-- What several operations may share: 'stream' is what is common to all that
-- carries bytes. They include the kernel and each other.
local HELPERS = {
  address = true, buffer = true, conn = true, request = true,
  stream = true, waitlist = true, want = true,
}

-- The only file that knows all others.
local TOP = "core.c"

local function concept(file)
  return file:match "([^/]+)%.[ch]$"
end

local function includes(text)
  local list = {}
  for header in text:gmatch '\n%s*#%s*include%s+"([^"]+)"' do
    list[#list + 1] = header
  end
  return list
end

-- Why 'file' must not include 'header', or nil.
local function objection(file, header)
  local from, to = concept(file), concept(header)
  if file:match "[^/]+$" == TOP or from == to then return nil end
  if not KERNEL[from] then
    if KERNEL[to] or HELPERS[to] then return nil end
    return "an operation knows no other operation"
  elseif not KERNEL[to] then
    return "the kernel knows no operation"
  elseif KERNEL[to] > KERNEL[from] then
    local excused = UPWARD[file:match "[^/]+$"]
    return not (excused and excused[to]) and "that is above it" or nil
  end
end

-- Calls 'visit' with each path of 'graph' (name -> list of names) that comes
-- back to where it was, as a text.
local function circles(graph, visit)
  local state = {}
  local function walk(name, path)
    if not graph[name] or state[name] == "done" then return end
    path = path .. " → " .. name
    if state[name] == "open" then return visit(path) end
    state[name] = "open"
    for _, other in ipairs(graph[name]) do walk(other, path) end
    state[name] = "done"
  end
  local names = {}
  for name in pairs(graph) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do walk(name, "") end
end

-- C without comments and the contents of strings.
local function code_of(text)
  text = text:gsub("/%*.-%*/", " ")
  return (text:gsub('"[^"\n]*"', '""'))
end

describe("the layers of C", function()
  local files = process.glob "src/*.[ch]"

  it("are there", function()
    assert(#files > 0, "src has no C files")
  end)

  for _, file in ipairs(files) do
    local text = "\n" .. process.read_file(file)

    it("hold for " .. file, function()
      local wrong = {}
      for _, header in ipairs(includes(text)) do
        local why = objection(file, header)
        if why then
          wrong[#wrong + 1] = ("%s includes %s: %s"):format(file, header, why)
        end
      end

      assert.equal("", table.concat(wrong, "\n"))
    end)

    it("let no Lua be loaded by " .. file, function()
      for _, name in ipairs {
        "luaL_dostring", "luaL_dofile", "luaL_loadstring", "luaL_loadfile",
        "luaL_loadfilex", "luaL_loadbuffer", "luaL_loadbufferx",
      } do
        assert(not code_of(text):find(name .. "%s*%("),
               file .. " calls " .. name .. ": C never loads Lua")
      end
      assert(not text:find 'lua_getglobal%s*%([^"]*"require"'
             and not text:find 'lua_getfield%s*%([^"]*"require"',
             file .. " calls require: C never requires Lua modules")
    end)

    it("keep Lua out of the callbacks of libuv in " .. file, function()
      for name, body in code_of(text):gmatch
          "\nstatic void (on[%w_]+) %b()%s*(%b{})" do
        -- The one function of Lua that a signal handler may call.
        body = body:gsub("lua_sethook%s*%(", "(")
        assert(not body:find "luaL?_%w+%s*%(",
               ("%s calls Lua in %s: a callback of libuv stores, wakes and returns")
               :format(file, name))
      end
    end)
  end

  it("have no circles of headers", function()
    local graph, found = {}, {}
    for _, file in ipairs(process.glob "src/*.h") do
      graph[file:match "[^/]+$"] = includes("\n" .. process.read_file(file))
    end

    circles(graph, function(path) found[#found + 1] = path end)

    assert.equal("", table.concat(found, "\n"))
  end)

  it("see an operation that includes another", function()
    assert.truthy(objection("src/server.c", "udp.h"))
    assert.truthy(objection("src/loop.c", "udp.h"))
    assert.truthy(objection("src/loop.c", "task.h"))
    assert.truthy(objection("src/future.h", "future_x.h"))
    assert.is_nil(objection("src/server.c", "task.h"))
    assert.is_nil(objection("src/core.c", "udp.h"))
  end)
end)

describe("the layers of Lua", function()
  local files = {}
  for _, pattern in ipairs {"lua/casync/*.lua", "lua/casync/*/*.lua"} do
    for _, file in ipairs(process.glob(pattern)) do
      local name = file:match "^lua/(.*)%.lua$":gsub("/init$", ""):gsub("/", ".")
      files[#files + 1] = {path = file, name = name}
    end
  end

  local function requires(path)
    local list = {}
    local text = process.read_file(path):gsub("%-%-[^\n]*", "")
    for name in text:gmatch "require%s*%(?%s*[\"']([%w_.]+)[\"']" do
      list[#list + 1] = name
    end
    return list
  end

  it("have nothing that requires casync itself", function()
    for _, file in ipairs(files) do
      for _, name in ipairs(requires(file.path)) do
        assert(name ~= "casync" or file.name == "casync",
               file.path .. " requires casync, which requires it")
      end
    end
  end)

  it("have no circles", function()
    local graph, found = {}, {}
    for _, file in ipairs(files) do graph[file.name] = requires(file.path) end

    circles(graph, function(path) found[#found + 1] = path end)

    assert.equal("", table.concat(found, "\n"))
  end)
end)
