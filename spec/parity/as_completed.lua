-- as_completed: order of completion, errors, time-outs, early exit.
local casync = require "casync"
local async, await = casync.async, casync.await

local work = async(function(name, delay, err)
  await(casync.sleep(delay))
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
  print("order " .. collect { work("c", 0.03), work("a", 0.01), work("b", 0.02) })

  local out = {}
  for future in casync.as_completed { work("x", 0.03), work("y", 0.01, "bad"), work("z", 0.02) } do
    local ok, value = pcall(await, future)
    out[#out + 1] = ok and value or "<" .. value .. ">"
  end
  print("error " .. table.concat(out, " "))

  local tasks = start { { "quick", 0.01 }, { "slow", 0.2 }, { "slower", 0.3 } }
  out = {}
  local ok, e = pcall(function()
    for future in casync.as_completed(tasks, {timeout = 0.05}) do out[#out + 1] = await(future) end
  end)
  if not ok and casync.TimeoutError:is(e) then out[#out + 1] = "timed out" end
  local cancelled = false
  for _, t in ipairs(tasks) do cancelled = cancelled or t:cancelled() end
  print(("timeout %s cancelled %s"):format(table.concat(out, " "), cancelled))
  for _, t in ipairs(tasks) do t:cancel() end

  tasks = start { { "p", 0.01 }, { "q", 0.02 }, { "r", 0.03 } }
  print(("left early %s third %s"):format(first_two(tasks), tasks[3]:done()))
  print("goes on " .. await(tasks[3]))

  local t = casync.create_task(work("once", 0))
  print("duplicates " .. collect { t, t })
  local n = 0
  for _ in casync.as_completed {} do n = n + 1 end
  print("empty " .. n)

  local done = casync.get_running_loop():create_future()
  done:set_result("ready")
  print("already done " .. collect { work("later", 0.01), done })
end)
