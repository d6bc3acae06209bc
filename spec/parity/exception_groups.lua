-- Nested task groups: the shape of the group, splitting, flattening.
local casync = require "casync"
local async, await = casync.async, casync.await

local ExceptionGroup = casync.ExceptionGroup
local NetworkError = casync.Error:extend("NetworkError")
local ParseError = casync.Error:extend("ParseError")
local KeyError = casync.Error:extend("KeyError")

local fail = async(function(e, delay)
  await(casync.sleep(delay or 0))
  error(e)
end)

local function shape(e)
  if not ExceptionGroup:is(e) then return e.name .. ":" .. e.message end
  local parts = {}
  for i, member in ipairs(e.errors) do parts[i] = shape(member) end
  return "[" .. table.concat(parts, " ") .. "]"
end

local stubborn = async(function(e)
  local ok = pcall(await, casync.sleep(1))
  if not ok then error(e) end
end)

local function is(class)
  return function(e) return class:is(e) end
end

casync.run(function()
  local _, e = pcall(function()
    local outer <close> = casync.TaskGroup()
    outer:create_task(function()
      local group <close> = casync.TaskGroup()
      group:create_task(fail(NetworkError("refused")))
      group:create_task(fail(ParseError("bad head")))
    end)
    outer:create_task(stubborn(NetworkError("while stopping")))
  end)
  print("shape " .. shape(e))
  local texts = { "leaves" }
  for _, leaf in ipairs(e:flatten()) do texts[#texts + 1] = leaf.message end
  print(table.concat(texts, "; "))
  local network, rest = e:split(is(NetworkError))
  print("network " .. shape(network))
  print("rest " .. shape(rest))
  local nothing, everything = e:split(is(KeyError))
  print(("no match %s %s"):format(nothing == nil, shape(everything)))

  _, e = pcall(function()
    local group <close> = casync.TaskGroup()
    group:create_task(fail(NetworkError("first"), 0.001))
    group:create_task(stubborn(ParseError("second")))
    await(casync.sleep(1))
  end)
  print("completion order " .. shape(e))

  _, e = pcall(function()
    local group <close> = casync.TaskGroup()
    group:create_task(stubborn(ParseError("child")))
    await(casync.sleep(0))
    error(NetworkError("body"))
  end)
  print("body comes last " .. shape(e))

  _, e = pcall(function()
    local group <close> = casync.TaskGroup()
    group:create_task(fail(NetworkError("kept")))
  end)
  print("single one is wrapped " .. shape(e))
end)
