-- A race: start attempts one after another, keep the first success.
local casync = require "casync"
local async, await = casync.async, casync.await

local attempt = async(function(name, delay, succeeds, log)
  log[#log + 1] = "start " .. name
  local ok, e = pcall(await, casync.sleep(delay))
  if not ok then
    log[#log + 1] = "cancel " .. name
    error(e, 0)
  end
  if not succeeds then
    log[#log + 1] = "fail " .. name
    error(name, 0)
  end
  log[#log + 1] = "win " .. name
  return name
end)

local function race(specs, stagger, log)
  local pending, errors, started = {}, {}, 0
  while started < #specs or #pending > 0 do
    if started < #specs then
      started = started + 1
      local name, delay, succeeds = table.unpack(specs[started])
      pending[#pending + 1] = casync.create_task(attempt(name, delay, succeeds, log))
    end
    local done
    done, pending = await(casync.wait(pending, {
      timeout = started < #specs and stagger or nil,
      return_when = casync.FIRST_COMPLETED,
    }))
    for _, task in ipairs(done) do
      if task:exception() == nil then
        for _, loser in ipairs(pending) do loser:cancel() end
        await(casync.gather(pending, {return_exceptions = true}))
        return "winner " .. task:result()
      end
      errors[#errors + 1] = task:exception()
    end
  end
  return "all failed: " .. table.concat(errors, " ")
end

local function show(title, specs)
  local log, starts, rest = {}, {}, {}
  local result = race(specs, 0.05, log)
  for _, s in ipairs(log) do
    local part = s:find("^start") and starts or rest
    part[#part + 1] = s
  end
  table.sort(rest)
  print(("%s: %s; %s; %s"):format(title, result, table.concat(starts, ", "), table.concat(rest, ", ")))
end

casync.run(function()
  show("first wins", { { "a", 0.01, true }, { "b", 0, true } })
  show("second wins", { { "a", 1, true }, { "b", 0.01, true } })
  show("failure starts the next at once", { { "a", 0, false }, { "b", 0.005, true }, { "c", 0, true } })
  show("slow first still wins", { { "a", 0.1, true }, { "b", 1, true } })
  show("none", { { "a", 0.001, false }, { "b", 0.12, false }, { "c", 0.001, false } })
  show("empty", {})
end)
