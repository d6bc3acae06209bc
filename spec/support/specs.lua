-- Spec files without busted, for who runs a spec again and again: nothing is
-- kept from one run to the next.

local luassert = require "luassert"

local specs = {}

-- What of busted a spec file may use. `finally` belongs to the spec that
-- runs.
local Group = {}
Group.__index = Group

local function newgroup(name, parent)
  return setmetatable({
    name = name,
    parent = parent,
    list = {},                          -- specs and groups, in order
    setup = {}, teardown = {}, before_each = {}, after_each = {},
  }, Group)
end

local function environment(top)
  local group = top
  local env = setmetatable({assert = luassert}, {__index = _G})
  env._G = env

  function env.describe(name, body)
    group = newgroup(name, group)
    table.insert(group.parent.list, group)
    body()
    group = group.parent
  end

  function env.it(name, body)
    table.insert(group.list, {name = name, body = body, group = group})
  end

  for _, hook in ipairs {"setup", "teardown", "before_each", "after_each"} do
    env[hook] = function(fn) table.insert(group[hook], fn) end
  end

  function env.finally(fn) top.finally = fn end

  function env.pending() error(specs, 0) end
  return env
end

local function callall(list)
  for _, fn in ipairs(list) do fn() end
end

-- The setups of a group run when its first spec does.
local function setup(group)
  if group.parent then setup(group.parent) end
  if not group.isset then callall(group.setup) end
  group.isset = true
end

local function before(group)
  if group.parent then before(group.parent) end
  callall(group.before_each)
end

local function after(group)
  callall(group.after_each)
  if group.parent then after(group.parent) end
end

--- Run one spec with what comes before and after each. Raises its error.
local function run(top, spec)
  setup(spec.group)
  before(spec.group)
  top.finally = nil
  local ok, err = pcall(spec.body)
  if top.finally then top.finally() end
  after(spec.group)
  if not ok and err ~= specs then error(err, 0) end
end

local function fullname(spec)
  local name, group = spec.name, spec.group
  while group.parent do
    name = group.name .. " " .. name
    group = group.parent
  end
  return name
end

local function visitall(top, group, visit)
  for _, item in ipairs(group.list) do
    if getmetatable(item) == Group then visitall(top, item, visit)
    else visit(fullname(item), function() run(top, item) end)
    end
  end
  if group.isset then callall(group.teardown) end
end

--- Load the file anew, and call `visit(name, run)` for each spec in it, in
--- order; `run()` runs the spec, as often as it is called, and raises its
--- error.
function specs.visit(file, visit)
  local top = newgroup(file)
  local chunk = assert(loadfile(file, "t", environment(top)))
  chunk()
  visitall(top, top, visit)
end

-- What takes too long to be run again and again, or needs a process of its
-- own: as INPROCESS in the Makefile.
local EXCLUDED = {
  "#programs", "#slow", "hundred.thousand", "C.stack.overflow",
}

--- Can the spec of that name be run many times in one process?
function specs.inprocess(name)
  for _, pattern in ipairs(EXCLUDED) do
    if name:find(pattern) then return false end
  end
  return true
end

return specs
