-- as_completed: order of completion, errors, time-outs, early exit.
local casync = require "casync"
local async, await = casync.async, casync.await

local work = async(function(name, turns, err)
  for _ = 1, turns do await(casync.sleep(0)) end
  if err then error(err, 0) end
  return name
end)

local function start(specs)
  local tasks = {}
  for i, spec in ipairs(specs) do tasks[i] = casync.create_task(work(table.unpack(spec))) end
  return tasks
end

local function collect(list)
  local out = {}
  for future in casync.as_completed(list) do out[#out + 1] = await(future) end
  return table.concat(out, " ")
end

local function first_two(tasks)
  local out = {}
  for future in casync.as_completed(tasks) do
    out[#out + 1] = await(future)
    if #out == 2 then return table.concat(out, " ") end
  end
end

casync.run(function()
  print("order " .. collect { work("c", 30), work("a", 10), work("b", 20) })

  local out = {}
  for future in casync.as_completed { work("x", 30), work("y", 10, "bad"), work("z", 20) } do
    local ok, value = pcall(await, future)
    out[#out + 1] = ok and value or "<" .. value .. ">"
  end
  print("error " .. table.concat(out, " "))

  local tasks = start { { "quick", 10 }, { "slow", 1e9 }, { "slower", 1e9 } }
  out = {}
  local ok, e = pcall(function()
    for future in casync.as_completed(tasks, {timeout = 0.05}) do out[#out + 1] = await(future) end
  end)
  if not ok and casync.TimeoutError:is(e) then out[#out + 1] = "timed out" end
  local cancelled = false
  for _, t in ipairs(tasks) do cancelled = cancelled or t:cancelled() end
  print(("timeout %s cancelled %s"):format(table.concat(out, " "), cancelled))
  for _, t in ipairs(tasks) do t:cancel() end

  tasks = start { { "p", 10 }, { "q", 20 }, { "r", 30 } }
  print(("left early %s third %s"):format(first_two(tasks), tasks[3]:done()))
  print("goes on " .. await(tasks[3]))

  local t = casync.create_task(work("once", 0))
  print("duplicates " .. collect { t, t })
  local n = 0
  for _ in casync.as_completed {} do n = n + 1 end
  print("empty " .. n)

  local done = casync.get_running_loop():create_future()
  done:set_result("ready")
  print("already done " .. collect { work("later", 10), done })
end)
