-- A chain of tasks each awaiting the next: result, error, cancellation.
local casync = require "casync"
local async, await = casync.async, casync.await

local DEPTH = 500

local link
link = async(function(n, ending, unwound)
  local ok, value = pcall(function()
    if n == 0 then return await(ending) end
    return await(casync.create_task(link(n - 1, ending, unwound))) + 1
  end)
  unwound[#unwound + 1] = n
  if not ok then error(value, 0) end
  return value
end)

local plain
plain = async(function(n, ending)
  if n == 0 then return await(ending) end
  return await(plain(n - 1, ending)) + 1
end)

local function start()
  local ending, unwound = casync.get_running_loop():create_future(), {}
  local top = casync.create_task(link(DEPTH, ending, unwound))
  while #casync.all_tasks() < DEPTH + 2 do await(casync.sleep(0)) end
  await(casync.sleep(0))
  return top, ending, unwound
end

local function order(unwound)
  for i = 0, DEPTH do
    if unwound[i + 1] ~= i then return "false" end
  end
  return tostring(#unwound == DEPTH + 1)
end

casync.run(function()
  local top, ending, unwound = start()
  ending:set_result(0)
  print("result " .. await(top) .. " in order " .. order(unwound))

  top, ending, unwound = start()
  ending:set_exception("from the end")
  local _, e = pcall(await, top)
  print("error " .. e .. " in order " .. order(unwound))

  top, ending, unwound = start()
  top:cancel("from the top")
  _, e = pcall(await, top)
  print(("cancelled %s in order %s end %s"):format(e.message, order(unwound), ending:cancelled()))

  ending = casync.get_running_loop():create_future()
  local task = casync.create_task(plain(100, ending))
  await(casync.sleep(0))
  ending:set_result(0)
  print("coroutines " .. await(task))
  print("left " .. #casync.all_tasks())
end)
