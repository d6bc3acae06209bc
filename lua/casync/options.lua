--- The options table that many functions take as their last argument.

local options = {}

local function names(known)
  local list = {}
  for name in pairs(known) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, ", ")
end

--- What a value is called in messages: its type, or the class it names.
function options.typename(value)
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and name or type(value)
end

local none = setmetatable({}, {
  __newindex = function() error("the empty options table is shared", 2) end,
})

--- Give `opts`, or an empty table for nil. `known` has a key for each option
-- of the function `who`; anything else is an error at `level` (2: the caller
-- of the function that checks).
function options.check(opts, known, who, level)
  if opts == nil then return none end
  level = (level or 2) + 1
  if type(opts) ~= "table" then
    error(("bad options for '%s' (table expected, got %s)"):format(
      who, type(opts)), level)
  end
  for name in pairs(opts) do
    if not known[name] then
      error(("unknown option '%s' for '%s' (it has: %s)"):format(
        tostring(name), who, names(known)), level)
    end
  end
  return opts
end

--- Check that `value` is a number of seconds; nil is fine when `optional`.
function options.seconds(value, what, who, optional, level)
  if value == nil and optional then return end
  if math.type(value) == nil then
    error(("bad %s for '%s' (number of seconds expected, got %s)"):format(
      what, who, type(value)), (level or 2) + 1)
  end
  if value ~= value then
    error(("bad %s for '%s' (not a number: NaN)"):format(what, who),
      (level or 2) + 1)
  end
end

return options
