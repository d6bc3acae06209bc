-- Async generators: values, errors, early exit, explicit close, pipelines.
local casync = require "casync"
local async, await = casync.async, casync.await

local log = {}

local function add(x) log[#log + 1] = tostring(x) end

local function note_at_close() add("closed") end

local count = casync.generator(function(yield, n, delay)
  local _ <close> = setmetatable({}, {__close = note_at_close})
  for i = 1, n do
    await(casync.sleep(delay or 0))
    yield(i)
  end
  add("exhausted")
end)

local squares = casync.generator(function(yield, source)
  for x in source do yield(x * x) end
end)

local failing = casync.generator(function(yield)
  yield(1)
  error("in the generator", 0)
end)

local function show(title)
  print(title .. ": " .. table.concat(log, " "))
  log = {}
end

local function first_two()
  for x in count(5) do
    add(x)
    if x == 2 then return end
  end
end

local take = async(function(name)
  for x in count(2) do add(name .. x) end
end)

casync.run(function()
  for x in count(3) do add(x) end
  show("all")

  first_two()
  show("left early")

  local g = count(3)
  add(await(g:next()))
  add(await(g:next()))
  await(g:close())
  await(g:close())
  show("by hand")
  if await(g:next()) == nil then print("nothing after close") end

  local _, e = pcall(function()
    for x in failing() do add(x) end
  end)
  add(e)
  show("error inside")

  _, e = pcall(function()
    for x in count(3) do error("in the body at " .. x, 0) end
  end)
  add(e)
  table.sort(log)
  show("error in the body")

  for x in squares(count(4)) do add(x) end
  show("pipeline")

  local task = casync.create_task(function()
    for x in count(100, 0.003) do
      if x == 1 then add("started") end
    end
  end)
  await(casync.sleep(0.05))
  task:cancel()
  _, e = pcall(await, task)
  if casync.CancelledError:is(e) then add("cancelled") end
  show("cancelled")

  await(casync.gather(take("a"), take("b")))
  show("two at once")
end)
