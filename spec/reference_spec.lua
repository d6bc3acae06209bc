-- docs/reference.md has every public name.

local process = require "spec.support.process"

local casync = require "casync"
local core = require "casync.core"

local text = process.read_file "docs/reference.md"

-- The names in code: `name`, `name(...)`, `x:name(...)`, `x.name`.
local function names_in(markdown)
  local names = {}
  for code in markdown:gmatch "`([^`\n]+)`" do
    for name in code:gmatch "[%a_][%w_]*" do names[name] = true end
  end
  return names
end

local documented = names_in(text)

local function missing(list)
  local found = {}
  for name in pairs(list) do
    if not name:find "^_" and not documented[name] then
      found[#found + 1] = name
    end
  end
  table.sort(found)
  return table.concat(found, ", ")
end

-- Classes have fields, too, that are nobody's business.
local function functions_in(methods)
  local found = {}
  for name, value in pairs(methods) do
    if type(value) == "function" then found[name] = value end
  end
  found.listen = nil    -- of Server: 'start_serving' is the public one
  return found
end

describe("docs/reference.md", function()
  it("has every name of casync", function()
    assert.equal("", missing(casync))
  end)

  for _, class in ipairs {
    "Event", "Future", "Lock", "Loop", "Queue", "Semaphore", "Task",
  } do
    it("has every method of " .. class, function()
      assert.equal("", missing(assert(core[class .. "Methods"])))
    end)
  end

  it("has every method of the other objects", function()
    casync.run(function()
      local loop = casync.get_running_loop()
      local server <close> = casync.await(
        casync.start_server(function(stream) stream:close() end, "127.0.0.1"))
      local socket = server:sockets()[1]
      local stream <close> = casync.await(
        casync.open_connection(socket:getsockname()))
      local timeout <close> = casync.timeout(nil)
      local objects = {
        casync.Condition(), casync.ContextVar "v", casync.copy_context(),
        casync.ExceptionGroup("m", {"e"}), casync.Runner(),
        casync.TaskGroup(), casync.generator(function() end)(),
        loop:call_soon(function() end), server, stream,
        timeout,
      }
      for i, object in ipairs(objects) do
        local methods = debug.getmetatable(object).__index
        assert.equal("table", type(methods), "object " .. i)
        assert.equal("", missing(functions_in(methods)))
      end
    end)
  end)

  it("has every name of casync.coroutine", function()
    assert.equal("", missing(casync.coroutine))
  end)

  it("has no heading for a name that is not there", function()
    for heading in text:gmatch "\n### ([^\n]+)" do
      for name in heading:gmatch "`([%a_][%w_.]*)[`(]" do
        name = name:gsub("^casync%.", "")
        assert(casync[name] ~= nil, name .. " is documented and is not there")
      end
    end
  end)
end)
